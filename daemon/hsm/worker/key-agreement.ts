// ECDH with a readable result (PKCS #11 v2.40 mechanisms, section 2.3.10).
import pkcs11, { type Handle } from 'pkcs11js';
import { readableSecret, takeSecret } from './readable-secrets.js';
import type { Token } from './token.js';

/** CKD_NULL, which pkcs11js does not name: no key derivation function. */
const CKD_NULL = 1;

/**
 * Computes an ECDH shared secret.
 * @param point the peer's public key, uncompressed (SEC 1, section 2.3.3)
 * @returns the x coordinate, as long as an element of the field; the caller wipes it
 */
export function deriveSharedSecret(token: Token, key: Handle, point: Buffer): Buffer {
  const { module, session } = token;
  const length = (point.length - 1) / 2;
  const parameter = { type: pkcs11.CK_PARAMS_EC_DH, kdf: CKD_NULL, publicData: point };
  const mechanism = { mechanism: pkcs11.CKM_ECDH1_DERIVE, parameter };
  const value = takeSecret(token, module.C_DeriveKey(session, mechanism, key, readableSecret(length)));
  const secret = Buffer.alloc(length);
  secret.set(value, length - value.length);
  value.fill(0);
  return secret;
}
