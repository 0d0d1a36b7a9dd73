// Encodes public key objects as SubjectPublicKeyInfo.
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import pkcs11, { type Handle } from 'pkcs11js';
import { type Curve, curves } from '../curves.js';
import { HsmError } from '../key-store.js';
import { asn1 } from './asn1.js';
import type { Token } from './token.js';

/** CKK_EC_EDWARDS (PKCS #11 v3.0), which pkcs11js does not name. */
export const CKK_EC_EDWARDS = 0x40;

/** CKK_ML_KEM and CKA_PARAMETER_SET (PKCS #11 v3.2), which pkcs11js does not name. */
const CKK_ML_KEM = 0x49;
const CKA_PARAMETER_SET = 0x61d;

/** Reads a public key as SubjectPublicKeyInfo in DER. */
type Reader = (read: AttributeReader) => Buffer;
/** Reads an attribute of an object by its CKA number; no bytes if the object does not have it. */
export type AttributeReader = (attribute: number) => Buffer;

/** Readers by CKA_KEY_TYPE. */
const readers = new Map<number, Reader>([
  [pkcs11.CKK_RSA, fromJwk(readRsaKey)],
  [pkcs11.CKK_EC, fromJwk(readEcKey)],
  [CKK_EC_EDWARDS, fromJwk(readEdwardsKey)],
  [CKK_ML_KEM, readMlKemKey],
]);

const byParameters: ReadonlyMap<string, Curve> = new Map(
  Object.values(curves).map((curve) => [curve.parameters, curve]),
);

/**
 * Reads a public key.
 * @returns SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7)
 * @throws HsmError 'unsupported' for an unknown CKA_KEY_TYPE or curve
 */
export function toSubjectPublicKeyInfo(token: Token, key: Handle): Buffer {
  const read = attributeReader(token, key);
  const type = read(pkcs11.CKA_KEY_TYPE).readUInt32LE(0);
  const reader = readers.get(type);
  if (reader === undefined)
    throw new HsmError('unsupported', `Keyhold does not support public keys of CKA_KEY_TYPE ${type}`);
  return reader(read);
}

function fromJwk(readJwk: (read: AttributeReader) => JsonWebKey): Reader {
  return (read) =>
    createPublicKey({ key: readJwk(read), format: 'jwk' }).export({ type: 'spki', format: 'der' });
}

/** Makes a reader of an object's attributes. */
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

// CKA_EC_POINT is 04‖x‖y in an OCTET STRING (PKCS #11 v2.40 mechanisms, section 2.3.3); some modules leave out the OCTET
// STRING. Either way the coordinates come last.
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

// Like the other curves; the point is the single number of RFC 8032, section 5.1.2.
function readEdwardsKey(read: AttributeReader): JsonWebKey {
  const { crv, size } = readCurve(read);
  return { kty: 'OKP', crv, x: read(pkcs11.CKA_EC_POINT).subarray(-size).toString('base64url') };
}

// RFC 9935, section 4: the encapsulation key as it is, under the OID of its parameter set and without parameters. Node 20 does
// not know this kind of key.
function readMlKemKey(read: AttributeReader): Buffer {
  const { schema, x509 } = asn1();
  const set = read(CKA_PARAMETER_SET).readUInt32LE(0);
  const info = new x509.SubjectPublicKeyInfo({
    algorithm: new x509.AlgorithmIdentifier({ algorithm: `2.16.840.1.101.3.4.4.${set}` }),
    subjectPublicKey: new Uint8Array(read(pkcs11.CKA_VALUE)).buffer,
  });
  return Buffer.from(schema.AsnConvert.serialize(info));
}

function readCurve(read: AttributeReader): Curve {
  return curveOf(read(pkcs11.CKA_EC_PARAMS).toString('hex'));
}

/** Finds a curve. @param params CKA_EC_PARAMS in hex @throws HsmError 'unsupported' */
export function curveOf(params: string): Curve {
  const curve = byParameters.get(params);
  if (curve === undefined)
    throw new HsmError('unsupported', `Keyhold does not support the curve with CKA_EC_PARAMS ${params}`);
  return curve;
}
