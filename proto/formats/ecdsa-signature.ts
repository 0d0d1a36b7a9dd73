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
  // The library would encode a zero wrongly.
  if (isZero(signature, 0, length) || isZero(signature, length, 2 * length)) return undefined;
  return joseToDer(signature, joseNames[length]);
}

// Each signature of the HSM comes through here: two views and `every` would take a microsecond of it.
function isZero(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
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
