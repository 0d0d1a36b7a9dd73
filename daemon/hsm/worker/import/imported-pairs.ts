// Derives the public key of an imported private key. The HSM computes it with the private key; only if a module cannot
// unwrap such a private key is it read.
import { createECDH, createHash, createPrivateKey, createPublicKey, ECDH, verify } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import pkcs11, { type Attribute, type Handle } from 'pkcs11js';
import type { Curve } from '../../curves.js';
import { HsmError, type Attributes } from '../../key-store.js';
import { asn1 } from '../asn1.js';
import { deriveSharedSecret } from '../key-agreement.js';
import { attributeReader, curveOf } from '../public-keys.js';
import { meaningOf } from '../../pkcs11/return-values.js';
import { isThere, type Token } from '../token.js';
import type { Material } from './unwrapping.js';

/** A public key that was derived from a private key. */
export interface PublicKey {
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Buffer;
  /** Attributes of its object that are not in the template. */
  readonly attributes: readonly Attribute[];
}

/** Signed and verified to check that private and public key belong together. */
const checkMessage = Buffer.from('keyhold key material check value');
const checkDigest = createHash('sha256').update(checkMessage).digest();
const longestSignature = 1024;
/** The only exponent of the key specs, which AWS KMS also requires of imported keys: 65537. */
const publicExponent = Buffer.from('010001', 'hex');

/**
 * Reads and checks the public key of an RSA private key.
 * @param wanted attributes of the public key's template
 * @throws HsmError 'incorrect-key-material'
 */
export function rsaPublicKey(token: Token, material: Material, wanted: Attributes): PublicKey {
  return probing(token, material, pkcs11.CKK_RSA, (key) => {
    const read = attributeReader(token, key);
    const modulus = withoutZeros(read(pkcs11.CKA_MODULUS));
    const exponent = withoutZeros(read(pkcs11.CKA_PUBLIC_EXPONENT));
    const bits = 8 * (modulus.length - 1) + 32 - Math.clz32(modulus[0] ?? 0);
    const wantedBits = valueOf(wanted, pkcs11.CKA_MODULUS_BITS);
    if (bits !== wantedBits)
      throw incorrect(`its modulus has ${bits} bits, and the key spec takes ${String(wantedBits)}`);
    if (!exponent.equals(publicExponent)) throw incorrect('its public exponent is not 65537');
    const [n, e] = [modulus.toString('base64url'), exponent.toString('base64url')];
    const publicKey = toKey({ kty: 'RSA', n, e });
    const signature = sign(token, key, pkcs11.CKM_SHA256_RSA_PKCS, checkMessage);
    if (!verify('sha256', checkMessage, publicKey, signature)) throw incorrect(notIntact);
    return {
      spki: toDer(publicKey),
      attributes: [
        { type: pkcs11.CKA_MODULUS, value: modulus },
        { type: pkcs11.CKA_PUBLIC_EXPONENT, value: exponent },
      ],
    };
  });
}

/**
 * Derives the public key of an EC private key. ECDH with the curve's base point gives the x coordinate, and a signature
 * shows which of the two points with that coordinate it is.
 * @param wanted attributes of the public key's template
 * @throws HsmError 'incorrect-key-material'
 */
export function ecPublicKey(token: Token, material: Material, wanted: Attributes): PublicKey {
  return probing(token, material, pkcs11.CKK_EC, (key) => {
    const parameters = attributeReader(token, key)(pkcs11.CKA_EC_PARAMS).toString('hex');
    if (parameters !== valueOf(wanted, pkcs11.CKA_EC_PARAMS))
      throw incorrect('it is on another curve than the key spec');
    const curve = curveOf(parameters);
    const x = deriveSharedSecret(token, key, basePoint(curve));
    const signature = sign(token, key, pkcs11.CKM_ECDSA, checkDigest);
    for (const parity of [0x02, 0x03]) {
      const point = decompressed(curve, Buffer.concat([Buffer.of(parity), x]));
      const [xText, yText] = [point.subarray(1, 1 + curve.size), point.subarray(1 + curve.size)].map(
        (number) => number.toString('base64url'),
      );
      const publicKey = toKey({ kty: 'EC', crv: curve.crv, x: xText, y: yText });
      const check = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
      if (verify('sha256', checkMessage, check, signature))
        return { spki: toDer(publicKey), attributes: [ecPoint(point)] };
    }
    throw incorrect(notIntact);
  });
}

/** A pair that was read, because SoftHSM 2.6.1 supports no way to unwrap Ed25519 private keys. */
export interface ReadPair {
  readonly publicKey: PublicKey;
  /** Attributes of the private key's object. */
  readonly attributes: readonly Attribute[];
  /** Wipes the private key. */
  wipe(): void;
}

/**
 * Reads an Ed25519 pair.
 * @param wanted attributes of the public key's template
 * @throws HsmError 'incorrect-key-material'
 */
export function edwardsPair(token: Token, material: Material, wanted: Attributes): ReadPair {
  const pkcs8 = readMaterial(token, material);
  try {
    const privateKey = readPkcs8(pkcs8);
    if (privateKey.asymmetricKeyType !== 'ed25519')
      throw incorrect('it is on another curve than the key spec');
    const publicKey = createPublicKey(privateKey);
    // CurvePrivateKey (RFC 8410, section 7) without attributes, as Node writes it, ends with the key's 32 bytes.
    const value = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32);
    const point = toDer(publicKey).subarray(-32);
    return {
      publicKey: { spki: toDer(publicKey), attributes: [ecPoint(point)] },
      attributes: [
        {
          type: pkcs11.CKA_EC_PARAMS,
          value: Buffer.from(String(valueOf(wanted, pkcs11.CKA_EC_PARAMS)), 'hex'),
        },
        { type: pkcs11.CKA_VALUE, value },
      ],
      wipe: () => value.fill(0),
    };
  } finally {
    pkcs8.fill(0);
  }
}

function readPkcs8(pkcs8: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: pkcs8, type: 'pkcs8', format: 'der' });
  } catch {
    throw notPkcs8();
  }
}

/** Calls back with the private key as a session object that may sign and derive. */
function probing<T>(token: Token, material: Material, keyType: number, probe: (key: Handle) => T): T {
  const key = material.make([
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY },
    { type: pkcs11.CKA_KEY_TYPE, value: keyType },
    { type: pkcs11.CKA_TOKEN, value: false },
    { type: pkcs11.CKA_PRIVATE, value: true },
    { type: pkcs11.CKA_SENSITIVE, value: true },
    { type: pkcs11.CKA_EXTRACTABLE, value: false },
    { type: pkcs11.CKA_SIGN, value: true },
    { type: pkcs11.CKA_DERIVE, value: keyType === pkcs11.CKK_EC },
  ]);
  try {
    return probe(key);
  } catch (error) {
    // A number that is no private key of its curve, or numbers that are not prime, fail only when they are used.
    throw meaningOf(error)?.decrypting && isThere(token) ? incorrect(notIntact) : error;
  } finally {
    token.module.C_DestroyObject(token.session, key);
  }
}

function readMaterial(token: Token, material: Material): Buffer {
  const object = material.make([
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
    { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_GENERIC_SECRET },
    { type: pkcs11.CKA_TOKEN, value: false },
    { type: pkcs11.CKA_PRIVATE, value: true },
    { type: pkcs11.CKA_SENSITIVE, value: false },
    { type: pkcs11.CKA_EXTRACTABLE, value: true },
  ]);
  try {
    return attributeReader(token, object)(pkcs11.CKA_VALUE);
  } finally {
    token.module.C_DestroyObject(token.session, object);
  }
}

function sign({ module, session }: Token, key: Handle, mechanism: number, data: Buffer): Buffer {
  module.C_SignInit(session, { mechanism }, key);
  return module.C_Sign(session, data, Buffer.alloc(longestSignature));
}

/** The public key of the private key 1. */
function basePoint({ name, size }: Curve): Buffer {
  const one = createECDH(name);
  one.setPrivateKey(Buffer.concat([Buffer.alloc(size - 1), Buffer.of(1)]));
  return one.getPublicKey();
}

function decompressed({ name }: Curve, point: Buffer): Buffer {
  return ECDH.convertKey(point, name, undefined, undefined, 'uncompressed') as Buffer;
}

/** CKA_EC_POINT as an OCTET STRING (PKCS #11 v2.40 mechanisms, section 2.3.3). */
function ecPoint(point: Buffer): Attribute {
  const { AsnConvert, OctetString } = asn1().schema;
  return { type: pkcs11.CKA_EC_POINT, value: Buffer.from(AsnConvert.serialize(new OctetString(point))) };
}

function toKey(jwk: JsonWebKey): KeyObject {
  return createPublicKey({ key: jwk, format: 'jwk' });
}

function toDer(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function withoutZeros(number: Buffer): Buffer {
  let start = 0;
  while (start < number.length - 1 && number[start] === 0) start++;
  return number.subarray(start);
}

function valueOf(attributes: Attributes, wanted: number): boolean | number | string | undefined {
  return attributes.find(([type]) => type === wanted)?.[1];
}

const notIntact = 'its numbers do not belong together';

function incorrect(reason: string): HsmError {
  return new HsmError(
    'incorrect-key-material',
    `The key material was decrypted, but the private key in it cannot be used: ${reason}.`,
  );
}

/** Makes the error for material that was unwrapped but is no private key of the key spec. */
export function notPkcs8(): HsmError {
  return new HsmError(
    'incorrect-key-material',
    'The key material was decrypted, but is no private key of the key spec in unencrypted PKCS#8 DER (not PEM, SEC1, ' +
      'PKCS#1, an encrypted or a public key). OpenSSL writes it: openssl pkcs8 -topk8 -nocrypt -outform DER.',
  );
}
