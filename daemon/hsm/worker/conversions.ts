// Signatures between PKCS#11's forms and those of the API.
import { Integer, Sequence, fromBER } from 'asn1js';
import type { Conversion } from '../key-store.js';

interface SignatureForms {
  readonly toApi: (signature: Buffer) => Buffer;
  /** @returns undefined where it is no signature at all; then it is not a right one either */
  readonly fromApi: (signature: Buffer) => Buffer | undefined;
}

/** The forms of signatures by name. */
export const conversions: Readonly<Record<Conversion, SignatureForms>> = {
  none: { toApi: (signature) => signature, fromApi: (signature) => signature },
  'ecdsa-der-32': ecdsaDer(32),
  'ecdsa-der-48': ecdsaDer(48),
  'ecdsa-der-66': ecdsaDer(66),
};

/**
 * Between r‖s (PKCS #11 v2.40 mechanisms, section 2.3.1) and the DER of Ecdsa-Sig-Value (RFC 3279, section 2.2.3).
 * @param half bytes of r and of s
 */
function ecdsaDer(half: number): SignatureForms {
  const toApi = (signature: Buffer): Buffer => {
    const value = [unsigned(signature.subarray(0, half)), unsigned(signature.subarray(half))];
    return Buffer.from(new Sequence({ value }).toBER());
  };
  return {
    toApi,
    fromApi: (der) => {
      // The longest there is: two numbers with a sign byte, their headers, and a header with a length of two bytes.
      if (der.length > 2 * (half + 1) + 2 * 2 + 3) return undefined;
      const result = parse(der);
      if (!(result instanceof Sequence)) return undefined;
      const raw = Buffer.alloc(2 * half);
      for (const [index, number] of result.valueBlock.value.entries()) {
        if (index > 1 || !(number instanceof Integer)) return undefined;
        const bytes = Buffer.from(number.valueBlock.valueHexView);
        const digits = bytes.subarray(bytes[0] === 0 ? 1 : 0);
        if (digits.length > half) return undefined;
        raw.set(digits, (index + 1) * half - digits.length);
      }
      // A signature has one encoding. BER's others, negative numbers and trailing bytes would let anyone make a second
      // one that verifies, which has cost users of ECDSA dearly where a signature's bytes served as a name.
      return toApi(raw).equals(der) ? raw : undefined;
    },
  };
}

// asn1js returns an error for some malformed input and throws one for other, such as an object identifier cut short.
function parse(der: Buffer): unknown {
  try {
    return fromBER(der).result;
  } catch {
    return undefined;
  }
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
