// From PKCS#11's forms of results to those of the API.
import { ECDSASigValue } from '@peculiar/asn1-ecc';
import { AsnConvert } from '@peculiar/asn1-schema';
import type { Conversion } from '../key-store.js';

/** The conversions of a signature by name. */
export const conversions: Readonly<Record<Conversion, (result: Buffer) => Buffer>> = {
  none: (result) => result,
  'ecdsa-der': ecdsaToDer,
};

/** r‖s (PKCS #11 v2.40 mechanisms, section 2.3.1) to the DER of ECDSA-Sig-Value (RFC 3279, section 2.2.3). */
export function ecdsaToDer(signature: Buffer): Buffer {
  const half = signature.length / 2;
  const value = new ECDSASigValue({
    r: positiveInteger(signature.subarray(0, half)),
    s: positiveInteger(signature.subarray(half)),
  });
  return Buffer.from(AsnConvert.serialize(value));
}

/** The shortest two's complement form of an unsigned number, as DER wants it (X.690, section 8.3). */
function positiveInteger(unsigned: Buffer): ArrayBuffer {
  let start = 0;
  while (start < unsigned.length - 1 && unsigned[start] === 0) start++;
  const sign = (unsigned[start] ?? 0) & 0x80 ? 1 : 0;
  const integer = new Uint8Array(sign + unsigned.length - start);
  integer.set(unsigned.subarray(start), sign);
  return integer.buffer;
}
