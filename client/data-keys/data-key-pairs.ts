// Data key pairs as keys of WebCrypto.
import { createPrivateKey, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import type { DataKeyPairSpec } from '../../proto/generated/messages.js';
import { CryptoError } from '../errors.js';
import { readPublicKey } from '../public-keys.js';

/** What GenerateDataKeyPair returned, or GenerateDataKeyPairWithoutPlaintext and Decrypt together. */
export interface DataKeyPair {
  readonly keyPairSpec?: DataKeyPairSpec;
  /** A SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7) in DER. */
  readonly publicKey?: Uint8Array;
  /** An unencrypted PKCS #8 private key (RFC 5208, section 5) in DER. The caller wipes it. */
  readonly privateKeyPlaintext?: Uint8Array;
}

/** What the keys are for. A pair serves one algorithm. */
export interface ImportOptions {
  /** ECDSA for elliptic curves, Ed25519 for Ed25519 and RSA-PSS for RSA if not given. */
  readonly algorithm?: 'ECDSA' | 'ECDH' | 'Ed25519' | 'RSA-PSS' | 'RSASSA-PKCS1-v1_5' | 'RSA-OAEP';
  /** Of RSA; SHA-256 if not given. */
  readonly hash?: 'SHA-256' | 'SHA-384' | 'SHA-512';
  /** Whether the private key can be exported again; not if not given. */
  readonly extractable?: boolean;
}

/** Both halves, and the implementation of WebCrypto that they belong to. */
export interface ImportedKeyPair {
  readonly publicKey: webcrypto.CryptoKey;
  readonly privateKey: webcrypto.CryptoKey;
  /** The keys work with this one alone, not with `globalThis.crypto.subtle`. It has secp256k1, as `K-256`. */
  readonly subtle: webcrypto.SubtleCrypto;
}

type KeyUsages = webcrypto.KeyUsage[];

/** Usages of the private and of the public key. */
const usages: Readonly<Record<NonNullable<ImportOptions['algorithm']>, readonly [KeyUsages, KeyUsages]>> = {
  ECDSA: [['sign'], ['verify']],
  ECDH: [['deriveKey', 'deriveBits'], []],
  Ed25519: [['sign'], ['verify']],
  'RSA-PSS': [['sign'], ['verify']],
  'RSASSA-PKCS1-v1_5': [['sign'], ['verify']],
  'RSA-OAEP': [
    ['decrypt', 'unwrapKey'],
    ['encrypt', 'wrapKey'],
  ],
};

interface Kind {
  readonly algorithms: readonly NonNullable<ImportOptions['algorithm']>[];
  readonly namedCurve?: string;
}

const rsa: Kind = { algorithms: ['RSA-PSS', 'RSASSA-PKCS1-v1_5', 'RSA-OAEP'] };
const curve = (namedCurve: string): Kind => ({ algorithms: ['ECDSA', 'ECDH'], namedCurve });

/** By key spec, the default algorithm first. */
const kinds: Readonly<Partial<Record<string, Kind>>> = {
  RSA_2048: rsa,
  RSA_3072: rsa,
  RSA_4096: rsa,
  ECC_NIST_P256: curve('P-256'),
  ECC_NIST_P384: curve('P-384'),
  ECC_NIST_P521: curve('P-521'),
  ECC_SECG_P256K1: curve('K-256'),
  ECC_NIST_EDWARDS25519: { algorithms: ['Ed25519'] },
};

/**
 * Imports a data key pair as keys of WebCrypto.
 * @param pair what GenerateDataKeyPair returned; of GenerateDataKeyPairWithoutPlaintext, with `privateKeyPlaintext` from
 *   Decrypt of its `privateKeyCiphertextBlob`
 * @returns both keys, and the `subtle` to use them with
 * @throws CryptoError InvalidKey where a half is missing or malformed, or the two do not belong together;
 *   IncompatibleAlgorithm where keys of this spec do not have the algorithm; UnsupportedAlgorithm for other key specs
 * @example
 *   import { connect, importDataKeyPair } from '@keyhold/client';
 *
 *   const client = await connect();
 *   const { keyMetadata } = await client.createKey({});
 *   const pair = await client.generateDataKeyPair({ keyId: keyMetadata.keyId, keyPairSpec: 'ECC_SECG_P256K1' });
 *   await client.close();
 *
 *   const { privateKey, publicKey, subtle } = await importDataKeyPair(pair);
 *   pair.privateKeyPlaintext.fill(0);
 *   const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
 *   const message = Buffer.from('attack at dawn');
 *   const signature = await subtle.sign(algorithm, privateKey, message);
 *   console.log(await subtle.verify(algorithm, publicKey, signature, message)); // true
 */
export async function importDataKeyPair(
  pair: DataKeyPair,
  options: ImportOptions = {},
): Promise<ImportedKeyPair> {
  const { publicKey: spki, privateKeyPlaintext } = pair;
  if (!spki || !privateKeyPlaintext)
    throw new CryptoError('InvalidKey', 'The data key pair needs publicKey and privateKeyPlaintext.');
  const { keySpec, key } = readPublicKey(spki);
  const kind = kinds[keySpec];
  if (!kind)
    throw new CryptoError('UnsupportedAlgorithm', `Data key pairs of ${keySpec} cannot be imported.`);
  const { algorithm: name = kind.algorithms[0]!, hash = 'SHA-256', extractable = false } = options;
  if (!kind.algorithms.includes(name))
    throw new CryptoError(
      'IncompatibleAlgorithm',
      `Keys of ${keySpec} do not have the algorithm ${name}; they have: ${kind.algorithms.join(', ')}.`,
    );
  const pkcs8 = Buffer.from(privateKeyPlaintext);
  try {
    if (pair.keyPairSpec !== undefined && pair.keyPairSpec !== keySpec)
      throw new CryptoError('InvalidKey', `The public key is one of ${keySpec}, not of ${pair.keyPairSpec}.`);
    if (!createPublicKey(readPrivateKey(pkcs8)).equals(key))
      throw new CryptoError('InvalidKey', 'The private and the public key do not belong together.');
    // Loaded at the first use: it takes longer than all else that a program of this package loads.
    const { subtle } = (await import('../crypto.js')).crypto;
    const algorithm = { name, hash, namedCurve: kind.namedCurve } as webcrypto.RsaHashedImportParams;
    const [ofPrivate, ofPublic] = usages[name];
    return {
      privateKey: await subtle.importKey('pkcs8', pkcs8, algorithm, extractable, ofPrivate),
      publicKey: await subtle.importKey('spki', spki, algorithm, true, ofPublic),
      subtle,
    };
  } finally {
    pkcs8.fill(0);
  }
}

function readPrivateKey(pkcs8: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  } catch {
    // Without the cause, which could quote the key.
    throw new CryptoError('InvalidKey', 'The private key is not an unencrypted PKCS #8 key in DER.');
  }
}
