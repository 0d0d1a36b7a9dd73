// ECDSA signatures between the DER of the API (Ecdsa-Sig-Value, RFC 3279, section 2.2.3) and r‖s (IEEE P1363).
import { derToJose, joseToDer } from 'ecdsa-sig-formatter';

/** Bytes of r, and of s: the length of the curve's order. */
export type ScalarLength = 32 | 48 | 66;

/** The algorithms of RFC 7518, section 3.4, whose signatures are r‖s of these lengths. */
const joseNames = { 32: 'ES256', 48: 'ES384', 66: 'ES512' } as const;

/**
 * Encodes r‖s in DER.
 * @param signature twice `length` bytes
 * @returns undefined where r or s is zero, which no signature has (SEC 1, section 4.1.3)
 */
export function ecdsaToDer(signature: Buffer, length: ScalarLength): Buffer | undefined {
  const isZero = (start: number) => signature.subarray(start, start + length).every((byte) => byte === 0);
  // The library would encode a zero wrongly.
  return isZero(0) || isZero(length) ? undefined : joseToDer(signature, joseNames[length]);
}

/**
 * Decodes DER, strictly: a signature has one encoding. BER's others, negative numbers and trailing bytes would let anyone
 * make a second signature that verifies, which has cost users of ECDSA dearly where a signature's bytes served as a name.
 * @returns r‖s, twice `length` bytes; undefined where the bytes are not the encoding of a signature
 */
export function ecdsaFromDer(der: Buffer, length: ScalarLength): Buffer | undefined {
  try {
    const raw = Buffer.from(derToJose(der, joseNames[length]), 'base64url');
    return ecdsaToDer(raw, length)?.equals(der) ? raw : undefined;
  } catch {
    return undefined;
  }
}
