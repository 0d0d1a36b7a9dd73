// The table of all key specs: how to generate their material, and which algorithms they support.
import { createHash } from 'node:crypto';
import type { KeySpec, KeyUsageType } from '../../../proto/generated/messages.js';
import { curves } from '../../hsm/curves.js';
import type { KeyStore, KeyTemplate, ObjectId } from '../../hsm/key-store.js';
import type { TokenDescription } from '../../hsm/token-description.js';
import { ecc, ed25519 } from './elliptic-curves.js';
import type { KeySpecEntry, KeyUsageEntry } from './entry.js';
import { hmac } from './hmac.js';
import {
  CKA_EC_PARAMS,
  CKA_SIGN,
  CKA_VERIFY,
  CKK_EC,
  CKK_GENERIC_SECRET,
  CKM_ECDSA,
  CKM_EC_KEY_PAIR_GEN,
  CKM_GENERIC_SECRET_KEY_GEN,
  CKM_SHA224_HMAC,
  CKM_SHA256_HMAC,
  CKM_SHA384_HMAC,
  CKM_SHA512_HMAC,
  keyPair,
  secretKey,
} from './pkcs11.js';
import { mlDsa, mlKem } from './post-quantum.js';
import { rsa } from './rsa.js';
import { aes256, symmetricDefault } from './symmetric.js';

export type { KeySpecEntry, KeyUsageEntry } from './entry.js';

const sha256 = { hash: 'sha256', length: 32 };
const sha384 = { hash: 'sha384', length: 48 };
const sha512 = { hash: 'sha512', length: 64 };

/** All key specs. */
export const keySpecs: Readonly<Record<KeySpec, KeySpecEntry>> = {
  SYMMETRIC_DEFAULT: symmetricDefault,
  HMAC_224: hmac('HMAC_SHA_224', 28, CKM_SHA224_HMAC),
  HMAC_256: hmac('HMAC_SHA_256', 32, CKM_SHA256_HMAC),
  HMAC_384: hmac('HMAC_SHA_384', 48, CKM_SHA384_HMAC),
  HMAC_512: hmac('HMAC_SHA_512', 64, CKM_SHA512_HMAC),
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: ecc(curves.prime256v1, {
    algorithm: 'ECDSA_SHA_256',
    digest: sha256,
    keyAgreement: true,
  }),
  ECC_NIST_P384: ecc(curves.secp384r1, {
    algorithm: 'ECDSA_SHA_384',
    digest: sha384,
    keyAgreement: true,
  }),
  ECC_NIST_P521: ecc(curves.secp521r1, {
    algorithm: 'ECDSA_SHA_512',
    digest: sha512,
    keyAgreement: true,
  }),
  ECC_SECG_P256K1: ecc(curves.secp256k1, {
    algorithm: 'ECDSA_SHA_256',
    digest: sha256,
    keyAgreement: false,
  }),
  ECC_NIST_EDWARDS25519: ed25519,
  ML_DSA_44: mlDsa(1),
  ML_DSA_65: mlDsa(2),
  ML_DSA_87: mlDsa(3),
  ML_KEM_512: mlKem(1, 768),
  ML_KEM_768: mlKem(2, 1_088),
  ML_KEM_1024: mlKem(3, 1_568),
  SM2: {
    usages: {},
    unsupported:
      'SM2 is in AWS KMS in its China Regions alone, PKCS #11 has no mechanism for it, and no module at hand has one of its own',
  },
};

/** Returns the entry of a usage in a token: symmetric keys encrypt with the cipher suite of the token's profile. */
export function usageIn(
  { traits }: Pick<TokenDescription, 'traits'>,
  keySpec: KeySpec,
  keyUsage: KeyUsageType,
): KeyUsageEntry | undefined {
  const { usages, suites } = keySpecs[keySpec];
  const usage = usages[keyUsage];
  return usage && (suites?.[traits.suite] ?? usage);
}

/** The daemon's own keys in the default store, by purpose. Their CKA_LABEL is `keyhold/internal/<purpose>`. */
export const internalKeys = {
  /** MACs of metadata records. */
  'record-mac': secretKey(CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, 32, CKA_SIGN, CKA_VERIFY),
  /** Encryption of secrets at rest. */
  secrets: aes256,
  /** Signatures of audit checkpoints. */
  'audit-signing': keyPair(
    {
      mechanism: CKM_EC_KEY_PAIR_GEN,
      keyType: CKK_EC,
      parameters: [[CKA_EC_PARAMS, curves.prime256v1.parameters]],
    },
    { private: CKA_SIGN, public: CKA_VERIFY },
  ),
} as const satisfies Record<string, KeyTemplate>;

/** The purpose of one of the daemon's own keys. */
export type InternalKeyPurpose = keyof typeof internalKeys;

/** The mechanism of HMAC-SHA-256 over the message itself. */
export const hmacSha256 = { type: CKM_SHA256_HMAC };

const ecdsa = { type: CKM_ECDSA };

/** Signs a message with ECDSA P-256 and SHA-256, hashing it here. @returns the signature in DER @throws HsmError */
export function ecdsaSha256(store: KeyStore, id: ObjectId, message: Buffer): Promise<Buffer> {
  const digest = createHash('sha256').update(message).digest();
  return store.sign(id, ecdsa, 'ecdsa-der-32', digest);
}
