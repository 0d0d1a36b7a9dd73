// Converts ECDSA signatures between the API's DER (Ecdsa-Sig-Value, RFC 3279, section 2.2.3) and r‖s (IEEE P1363).
import { derToJose, joseToDer } from 'ecdsa-sig-formatter';

/** Bytes of r, and of s: the length of the curve's order. */
export type ScalarLength = 32 | 48 | 66;

/** The algorithms of RFC 7518, section 3.4, whose signatures are r‖s of these lengths. */
const joseNames = { 32: 'ES256', 48: 'ES384', 66: 'ES512' } as const;

/**
 * Encodes r‖s in DER.
 * @param signature twice `length` bytes
 * @returns undefined if r or s is zero, which is never so in a signature (SEC 1, section 4.1.3)
 */
export function ecdsaToDer(signature: Buffer, length: ScalarLength): Buffer | undefined {
  // The library would encode a zero wrongly.
  if (isZero(signature, 0, length) || isZero(signature, length, 2 * length)) return undefined;
  return joseToDer(signature, joseNames[length]);
}

// A plain loop, because every signature of the HSM passes through here: two views and `every` would take a microsecond.
function isZero(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
}

/**
 * Decodes DER strictly: each signature has exactly one valid encoding. If BER, negative numbers or trailing bytes were
 * accepted, anyone could make a second valid form of a signature, which breaks programs that identify something by it.
 * @returns r‖s, twice `length` bytes; undefined if the bytes are not the DER of a signature
 */
export function ecdsaFromDer(der: Buffer, length: ScalarLength): Buffer | undefined {
  try {
    const raw = Buffer.from(derToJose(der, joseNames[length]), 'base64url');
    return ecdsaToDer(raw, length)?.equals(der) ? raw : undefined;
  } catch {
    return undefined;
  }
}
