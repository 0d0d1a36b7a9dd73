// The public keys that GetPublicKey returns, read strictly.
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { KeySpec } from '../proto/generated/messages.js';
import { CryptoError } from './errors.js';

/** A public key of a key spec that verifies signatures or makes a data key pair. */
export interface PublicKey {
  readonly keySpec: KeySpec;
  readonly key: KeyObject;
}

/** By the name that Node gives to a kind of key, and its size or curve. */
const keySpecs: Readonly<Record<string, KeySpec>> = {
  'rsa 2048': 'RSA_2048',
  'rsa 3072': 'RSA_3072',
  'rsa 4096': 'RSA_4096',
  'ec prime256v1': 'ECC_NIST_P256',
  'ec secp384r1': 'ECC_NIST_P384',
  'ec secp521r1': 'ECC_NIST_P521',
  'ec secp256k1': 'ECC_SECG_P256K1',
  ed25519: 'ECC_NIST_EDWARDS25519',
  'ml-dsa-44': 'ML_DSA_44',
  'ml-dsa-65': 'ML_DSA_65',
  'ml-dsa-87': 'ML_DSA_87',
};

/**
 * Reads a public key strictly, as GetPublicKey returns it.
 * @param der a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7) in DER
 * @throws CryptoError InvalidKey for bytes that are not exactly one such key; UnsupportedAlgorithm for a key of no key
 *   spec, or of one that this version of Node cannot use
 */
export function readPublicKey(der: Uint8Array): PublicKey {
  const bytes = Buffer.from(der.buffer, der.byteOffset, der.byteLength);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: bytes, format: 'der', type: 'spki' });
  } catch (cause) {
    throw unreadable(bytes, cause);
  }
  // OpenSSL reads more than DER, and ignores what follows the key. This comes first: Node aborts where it is asked for the
  // details of a key whose point is the one at infinity, which cannot be encoded.
  if (!encodes(key, bytes)) throw notAsReturned();
  const { asymmetricKeyType = '', asymmetricKeyDetails: { modulusLength, namedCurve } = {} } = key;
  const kind = [asymmetricKeyType, modulusLength ?? namedCurve].filter(Boolean).join(' ');
  const keySpec = keySpecs[kind];
  if (keySpec === undefined)
    throw new CryptoError('UnsupportedAlgorithm', `No key spec has a public key of the kind '${kind}'.`);
  // OpenSSL keeps the form of a curve and a point: parameters in place of a name, a compressed point. A JWK has neither.
  if (asymmetricKeyType === 'ec') {
    const plain = createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' });
    if (!encodes(plain, bytes)) throw notAsReturned();
  }
  return { keySpec, key };
}

/** Whether these bytes are the key in DER, as Node writes it. */
function encodes(key: KeyObject, bytes: Buffer): boolean {
  try {
    return key.export({ format: 'der', type: 'spki' }).equals(bytes);
  } catch {
    return false;
  }
}

function notAsReturned(): CryptoError {
  return new CryptoError(
    'InvalidKey',
    'The public key is not as GetPublicKey returns it: in DER, with a named curve and an uncompressed point, and nothing after it.',
  );
}

/** 2.16.840.1.101.3.4.3.17 to 19 (RFC 9881, section 3) without their last byte, as DER has them. */
const mlDsa = Buffer.from('06096086480165030403', 'hex');

function unreadable(bytes: Buffer, cause: unknown): CryptoError {
  if (bytes.subarray(0, 11).toString('latin1') === '-----BEGIN ')
    return new CryptoError(
      'InvalidKey',
      "The public key is PEM; give it in DER: 'openssl pkey -pubin -in KEY.pem -outform DER -out KEY.der'.",
    );
  if (bytes.subarray(0, 32).includes(mlDsa))
    return new CryptoError(
      'UnsupportedAlgorithm',
      `Node ${process.versions.node} cannot read ML-DSA keys; use Node 24.7 or newer.`,
      { cause },
    );
  return new CryptoError('InvalidKey', 'The public key is not a SubjectPublicKeyInfo in DER.', { cause });
}
