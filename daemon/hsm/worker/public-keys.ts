// Public key objects to SubjectPublicKeyInfo.
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import pkcs11, { type Handle } from 'pkcs11js';
import { HsmError } from '../key-store.js';
import type { Token } from './token.js';

type Reader = (read: (attribute: number) => Buffer) => JsonWebKey;

/** By CKA_KEY_TYPE. */
const readers = new Map<number, Reader>([[pkcs11.CKK_EC, readEcKey]]);

/** By CKA_EC_PARAMS: DER of the curve's object identifier (SEC 2, appendix A), in hex. */
const curves: Readonly<Record<string, { crv: string; size: number } | undefined>> = {
  '06082a8648ce3d030107': { crv: 'P-256', size: 32 },
};

/** @returns SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7) */
export function toSubjectPublicKeyInfo({ module, session }: Token, key: Handle): Buffer {
  const read = (attribute: number): Buffer =>
    module.C_GetAttributeValue(session, key, [{ type: attribute }])[0]?.value ?? Buffer.alloc(0);
  const type = read(pkcs11.CKA_KEY_TYPE).readUInt32LE(0);
  const reader = readers.get(type);
  if (reader === undefined) throw new HsmError('unsupported', `Public keys of CKA_KEY_TYPE ${type}`);
  return createPublicKey({ key: reader(read), format: 'jwk' }).export({ type: 'spki', format: 'der' });
}

// CKA_EC_POINT is an OCTET STRING that holds 04‖x‖y (PKCS #11 v2.40 mechanisms, 2.3.3); some modules leave the
// OCTET STRING out. Either way the coordinates stand last.
function readEcKey(read: (attribute: number) => Buffer): JsonWebKey {
  const params = read(pkcs11.CKA_EC_PARAMS).toString('hex');
  const curve = curves[params];
  if (curve === undefined) throw new HsmError('unsupported', `Elliptic curve with CKA_EC_PARAMS ${params}`);
  const coordinates = read(pkcs11.CKA_EC_POINT).subarray(-2 * curve.size);
  return {
    kty: 'EC',
    crv: curve.crv,
    x: coordinates.subarray(0, curve.size).toString('base64url'),
    y: coordinates.subarray(curve.size).toString('base64url'),
  };
}
