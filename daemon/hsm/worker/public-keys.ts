// Public key objects to SubjectPublicKeyInfo.
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import pkcs11, { type Handle } from 'pkcs11js';
import { type Curve, curves } from '../curves.js';
import { HsmError } from '../key-store.js';
import type { Token } from './token.js';

/** CKK_EC_EDWARDS (PKCS #11 v3.0), which pkcs11js does not name. */
export const CKK_EC_EDWARDS = 0x40;

type Reader = (read: AttributeReader) => JsonWebKey;
export type AttributeReader = (attribute: number) => Buffer;

/** By CKA_KEY_TYPE. */
const readers = new Map<number, Reader>([
  [pkcs11.CKK_RSA, readRsaKey],
  [pkcs11.CKK_EC, readEcKey],
  [CKK_EC_EDWARDS, readEdwardsKey],
]);

const byParameters: ReadonlyMap<string, Curve> = new Map(
  Object.values(curves).map((curve) => [curve.parameters, curve]),
);

/** @returns SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7) */
export function toSubjectPublicKeyInfo(token: Token, key: Handle): Buffer {
  const read = attributeReader(token, key);
  const type = read(pkcs11.CKA_KEY_TYPE).readUInt32LE(0);
  const reader = readers.get(type);
  if (reader === undefined) throw new HsmError('unsupported', `Public keys of CKA_KEY_TYPE ${type}`);
  return createPublicKey({ key: reader(read), format: 'jwk' }).export({ type: 'spki', format: 'der' });
}

/** Reads attributes of an object, one at a time. */
export function attributeReader({ module, session }: Token, key: Handle): AttributeReader {
  return (attribute) =>
    module.C_GetAttributeValue(session, key, [{ type: attribute }])[0]?.value ?? Buffer.alloc(0);
}

function readRsaKey(read: AttributeReader): JsonWebKey {
  const [n, e] = [pkcs11.CKA_MODULUS, pkcs11.CKA_PUBLIC_EXPONENT].map((type) =>
    read(type).toString('base64url'),
  );
  return { kty: 'RSA', n, e };
}

// CKA_EC_POINT is an OCTET STRING that holds 04‖x‖y (PKCS #11 v2.40 mechanisms, 2.3.3); some modules leave the
// OCTET STRING out. Either way the coordinates stand last.
function readEcKey(read: AttributeReader): JsonWebKey {
  const { crv, size } = readCurve(read);
  const coordinates = read(pkcs11.CKA_EC_POINT).subarray(-2 * size);
  return {
    kty: 'EC',
    crv,
    x: coordinates.subarray(0, size).toString('base64url'),
    y: coordinates.subarray(size).toString('base64url'),
  };
}

// As with the other curves; the point is the one number of RFC 8032, section 5.1.2.
function readEdwardsKey(read: AttributeReader): JsonWebKey {
  const { crv, size } = readCurve(read);
  return { kty: 'OKP', crv, x: read(pkcs11.CKA_EC_POINT).subarray(-size).toString('base64url') };
}

function readCurve(read: AttributeReader): Curve {
  return curveOf(read(pkcs11.CKA_EC_PARAMS).toString('hex'));
}

/** @param params CKA_EC_PARAMS in hex */
export function curveOf(params: string): Curve {
  const curve = byParameters.get(params);
  if (curve === undefined) throw new HsmError('unsupported', `Elliptic curve with CKA_EC_PARAMS ${params}`);
  return curve;
}
