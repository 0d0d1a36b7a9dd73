// From PKCS#11's forms of results to those of the API.
import { Integer, Sequence } from 'asn1js';
import type { Conversion } from '../key-store.js';

/** The conversions of a signature by name. */
export const conversions: Readonly<Record<Conversion, (result: Buffer) => Buffer>> = {
  none: (result) => result,
  'ecdsa-der': ecdsaToDer,
};

/** r‖s (PKCS #11 v2.40 mechanisms, section 2.3.1) to the DER of Ecdsa-Sig-Value (RFC 3279, section 2.2.3). */
function ecdsaToDer(signature: Buffer): Buffer {
  const half = signature.length / 2;
  const value = [unsigned(signature.subarray(0, half)), unsigned(signature.subarray(half))];
  return Buffer.from(new Sequence({ value }).toBER());
}

// DER wants the fewest bytes that hold number and sign (X.690, section 8.3.2); asn1js writes what it is given.
function unsigned(number: Buffer): Integer {
  let start = 0;
  while (start < number.length - 1 && number[start] === 0) start++;
  const sign = (number[start] ?? 0) >= 0x80 ? 1 : 0;
  const valueHex = new Uint8Array(sign + number.length - start);
  valueHex.set(number.subarray(start), sign);
  return new Integer({ valueHex });
}
