// Validates a peer's public key for key agreement before the HSM uses it. With a point on another curve its sender could
// learn the private key from the results (an invalid-curve attack).
import { ECDH } from 'node:crypto';
import { KeyError } from '../errors.js';
import type { KeyAgreementAlgorithm } from './entry.js';

/**
 * Reads a SubjectPublicKeyInfo in DER (RFC 5480, section 2) strictly. An uncompressed point on a named curve has exactly one
 * such encoding, and only that is accepted: other curves, explicit parameters, BER, compressed points, trailing bytes and
 * the point at infinity all differ from it. The curves have no points of small order (cofactor 1).
 * @returns the uncompressed point (SEC 1, section 2.3.3)
 * @throws KeyError (invalid-request)
 */
export function readPeerKey(der: Buffer, agreement: KeyAgreementAlgorithm): Buffer {
  const { curve, publicKeyPrefix, pointLength } = agreement;
  const point = der.subarray(publicKeyPrefix.length);
  const isOfForm =
    der.subarray(0, publicKeyPrefix.length).equals(publicKeyPrefix) &&
    point.length === pointLength &&
    point[0] === 0x04;
  // AWS KMS sends no message here.
  if (!isOfForm || !isOnCurve(point, curve)) throw new KeyError('invalid-request', '');
  return point;
}

/** OpenSSL accepts only coordinates that are below the prime and satisfy the equation of the curve. */
function isOnCurve(point: Buffer, curve: string): boolean {
  try {
    ECDH.convertKey(point, curve);
    return true;
  } catch {
    return false;
  }
}
