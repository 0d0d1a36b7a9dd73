// Verification of signatures without a daemon.
import { type KeyObject, verify as verifyInNode, type webcrypto } from 'node:crypto';
import { ecdsaFromDer, type ScalarLength } from '../proto/formats/ecdsa-signature.js';
import type { KeySpec, MessageType, SigningAlgorithmSpec } from '../proto/generated/messages.js';
import { type Hash, verifyEcdsaDigest, verifyPkcs1Digest, verifyPssDigest } from './digest-verification.js';
import { CryptoError } from './errors.js';
import { type PublicKey, readPublicKey } from './public-keys.js';

/** Options of `verify`. The members are those of the operation Verify. */
export interface VerifyOptions {
  /** Bytes of any length; with the message type DIGEST the digest of the message: 32, 48 or 64 bytes. */
  readonly message: Uint8Array;
  /** As Sign returns it: of ECDSA the DER of Ecdsa-Sig-Value (RFC 3279, section 2.2.3), of others the bytes. */
  readonly signature: Uint8Array;
  readonly signingAlgorithm: SigningAlgorithmSpec;
  /** RAW if not given. */
  readonly messageType?: MessageType;
}

/**
 * Verifies a signature with a public key alone: without a daemon, credentials or a network. It accepts exactly what the
 * operation Verify accepts, except that a message may have any length.
 *
 * RSASSA-PKCS1-v1_5, RSASSA-PSS, ECDSA (P-256, P-384, P-521, secp256k1) and Ed25519 are verified by WebCrypto. Digests are
 * verified by Node's RSA and by @noble/curves, since WebCrypto takes messages alone. ML-DSA needs Node 24.7 or newer.
 *
 * @param publicKey of GetPublicKey: a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7) in DER
 * @returns whether the signature is one of this key over this message; `false` too for bytes that are no signature
 * @throws CryptoError InvalidKey for bytes that are not a public key; IncompatibleAlgorithm where a key of this kind does
 *   not sign with the algorithm; InvalidMessage for a digest of another length, or a message type that the algorithm does
 *   not have here, as EXTERNAL_MU; UnsupportedAlgorithm for Ed25519ph and SM2, and for ML-DSA where Node lacks it
 * @example
 *   import { connect, verify } from '@keyhold/client';
 *
 *   const client = await connect();
 *   const created = await client.createKey({ keySpec: 'ECC_SECG_P256K1', keyUsage: 'SIGN_VERIFY' });
 *   const keyId = created.keyMetadata.keyId;
 *   const message = Buffer.from('attack at dawn');
 *   const signingAlgorithm = 'ECDSA_SHA_256';
 *   const { signature } = await client.sign({ keyId, message, signingAlgorithm });
 *   const { publicKey } = await client.getPublicKey({ keyId });
 *   await client.close();
 *
 *   // From here on nothing needs the daemon.
 *   console.log(await verify(publicKey, { message, signature, signingAlgorithm })); // true
 */
export async function verify(publicKey: Uint8Array, options: VerifyOptions): Promise<boolean> {
  const { signingAlgorithm, messageType = 'RAW' } = options;
  const algorithm = Object.hasOwn(algorithms, signingAlgorithm) ? algorithms[signingAlgorithm] : undefined;
  if (!algorithm)
    throw new CryptoError('UnsupportedAlgorithm', `${signingAlgorithm} cannot be verified without a daemon.`);
  const key = readPublicKey(publicKey);
  if (!algorithm.keySpecs.includes(key.keySpec))
    throw new CryptoError(
      'IncompatibleAlgorithm',
      `${signingAlgorithm} is not an algorithm of the key spec ${key.keySpec}, which this public key has.`,
    );
  const message = viewOf(options.message);
  const signature = viewOf(options.signature);
  if (messageType === 'RAW') return algorithm.verifyMessage(key, message, signature);
  if (messageType !== 'DIGEST' || !algorithm.digest)
    throw new CryptoError(
      'InvalidMessage',
      `The message type ${messageType} is not available with ${signingAlgorithm}.`,
    );
  const { length, verify: verifyDigest } = algorithm.digest;
  if (message.length !== length)
    throw new CryptoError(
      'InvalidMessage',
      `A digest of ${signingAlgorithm} has ${length} bytes, not ${message.length}.`,
    );
  return verifyDigest(key, message, signature);
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

type Verifier = (key: PublicKey, message: Buffer, signature: Buffer) => boolean | Promise<boolean>;

interface Algorithm {
  readonly keySpecs: readonly KeySpec[];
  readonly verifyMessage: Verifier;
  /** Absent where the algorithm signs no digests. Its length is in bytes. */
  readonly digest?: { readonly length: number; readonly verify: Verifier };
}

const hashes = {
  256: { webName: 'SHA-256', name: 'sha256', length: 32 },
  384: { webName: 'SHA-384', name: 'sha384', length: 48 },
  512: { webName: 'SHA-512', name: 'sha512', length: 64 },
} as const satisfies Record<number, { webName: string; name: Hash; length: number }>;
type HashBits = keyof typeof hashes;

/** The curve of a key spec as WebCrypto names it, and the length of its order in bytes. */
const curves: Readonly<Partial<Record<KeySpec, readonly [namedCurve: string, ScalarLength]>>> = {
  ECC_NIST_P256: ['P-256', 32],
  ECC_SECG_P256K1: ['K-256', 32],
  ECC_NIST_P384: ['P-384', 48],
  ECC_NIST_P521: ['P-521', 66],
};

const algorithms: Readonly<Partial<Record<SigningAlgorithmSpec, Algorithm>>> = {
  RSASSA_PKCS1_V1_5_SHA_256: rsa(256, { name: 'RSASSA-PKCS1-v1_5' }, verifyPkcs1Digest),
  RSASSA_PKCS1_V1_5_SHA_384: rsa(384, { name: 'RSASSA-PKCS1-v1_5' }, verifyPkcs1Digest),
  RSASSA_PKCS1_V1_5_SHA_512: rsa(512, { name: 'RSASSA-PKCS1-v1_5' }, verifyPkcs1Digest),
  RSASSA_PSS_SHA_256: rsa(256, { name: 'RSA-PSS', saltLength: 32 }, verifyPssDigest),
  RSASSA_PSS_SHA_384: rsa(384, { name: 'RSA-PSS', saltLength: 48 }, verifyPssDigest),
  RSASSA_PSS_SHA_512: rsa(512, { name: 'RSA-PSS', saltLength: 64 }, verifyPssDigest),
  ECDSA_SHA_256: ecdsa(256, 'ECC_NIST_P256', 'ECC_SECG_P256K1'),
  ECDSA_SHA_384: ecdsa(384, 'ECC_NIST_P384'),
  ECDSA_SHA_512: ecdsa(512, 'ECC_NIST_P521'),
  ED25519_SHA_512: {
    keySpecs: ['ECC_NIST_EDWARDS25519'],
    verifyMessage: inWebCrypto(() => ({ name: 'Ed25519' })),
  },
  ML_DSA_SHAKE_256: {
    keySpecs: ['ML_DSA_44', 'ML_DSA_65', 'ML_DSA_87'],
    verifyMessage: ({ key }, message, signature) => verifyInNode(null, message, key, signature),
  },
};

interface WebAlgorithm {
  readonly name: string;
  readonly hash?: string;
  readonly namedCurve?: string;
  /** Of RSA-PSS, in bytes. */
  readonly saltLength?: number;
}

function rsa(
  bits: HashBits,
  algorithm: WebAlgorithm,
  verifyDigest: (key: KeyObject, hash: Hash, digest: Buffer, signature: Buffer) => boolean,
): Algorithm {
  const { webName, name, length } = hashes[bits];
  const verifyOfAnyLength = inWebCrypto(() => ({ ...algorithm, hash: webName }));
  return {
    keySpecs: ['RSA_2048', 'RSA_3072', 'RSA_4096'],
    // OpenSSL takes a PSS signature whose leading zeros were cut off; RFC 8017, section 8.1.2, step 1, refuses it.
    verifyMessage: (key, message, signature) =>
      signature.length * 8 === key.key.asymmetricKeyDetails?.modulusLength &&
      verifyOfAnyLength(key, message, signature),
    digest: { length, verify: ({ key }, digest, signature) => verifyDigest(key, name, digest, signature) },
  };
}

function ecdsa(bits: HashBits, ...keySpecs: readonly KeySpec[]): Algorithm {
  const { webName, length } = hashes[bits];
  const verifyRaw = inWebCrypto((keySpec) => ({
    name: 'ECDSA',
    hash: webName,
    namedCurve: curves[keySpec]![0],
  }));
  const decode = ({ keySpec }: PublicKey, signature: Buffer) => ecdsaFromDer(signature, curves[keySpec]![1]);
  return {
    keySpecs,
    verifyMessage: (key, message, signature) => {
      const raw = decode(key, signature);
      return raw !== undefined && verifyRaw(key, message, raw);
    },
    digest: {
      length,
      verify: (key, digest, signature) => {
        const raw = decode(key, signature);
        return raw !== undefined && verifyEcdsaDigest(key.key, digest, raw);
      },
    },
  };
}

function inWebCrypto(algorithmOf: (keySpec: KeySpec) => WebAlgorithm): Verifier {
  return async ({ keySpec, key }, message, signature) => {
    // Loaded at the first use: it takes longer than all else that a program of this package loads.
    const { crypto } = await import('./crypto.js');
    const algorithm = algorithmOf(keySpec) as webcrypto.RsaHashedImportParams & webcrypto.EcdsaParams;
    const der = key.export({ format: 'der', type: 'spki' });
    const imported = await crypto.subtle.importKey('spki', der, algorithm, false, ['verify']);
    return crypto.subtle.verify(algorithm, imported, signature, message);
  };
}
