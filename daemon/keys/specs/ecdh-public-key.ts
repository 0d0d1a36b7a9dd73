// The public key of a peer in key agreement, checked before the HSM works with it: a point that is not on the curve, or
// on another one, would let its sender learn the private key from the results (invalid-curve attacks).
import { ECDH } from 'node:crypto';
import { KeyError } from '../errors.js';
import type { KeyAgreementAlgorithm } from './entry.js';

/**
 * Reads SubjectPublicKeyInfo in DER (RFC 5480, section 2) strictly. A point on a named curve has one such encoding
 * with the point uncompressed, so it is compared with that: other curves, explicit parameters, BER, compressed points,
 * trailing bytes and the point at infinity all differ from it. The curves have no points of small order (cofactor 1).
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

/** OpenSSL decodes coordinates below the prime that fulfil the curve's equation, and no others. */
function isOnCurve(point: Buffer, curve: string): boolean {
  try {
    ECDH.convertKey(point, curve);
    return true;
  } catch {
    return false;
  }
}
