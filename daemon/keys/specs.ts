// The one table of key specs: how to generate the material, and what the key can do.
import { createHash } from 'node:crypto';
import type { EncryptionAlgorithmSpec, KeySpec, KeyUsageType } from '../../proto/generated/messages.js';
import type { CipherSuite, KeyStore, KeyTemplate, ObjectId } from '../hsm/key-store.js';

// Numbers of PKCS#11 v2.40, pkcs11t.h.
const CKM_AES_KEY_GEN = 0x1080;
const CKM_GENERIC_SECRET_KEY_GEN = 0x350;
const CKM_EC_KEY_PAIR_GEN = 0x1040;
const CKM_ECDSA = 0x1041;
const CKM_SHA256_HMAC = 0x251;
const CKA_KEY_TYPE = 0x100;
const CKA_ENCRYPT = 0x104;
const CKA_DECRYPT = 0x105;
const CKA_WRAP = 0x106;
const CKA_UNWRAP = 0x107;
const CKA_SIGN = 0x108;
const CKA_VERIFY = 0x10a;
const CKA_DERIVE = 0x10c;
const CKA_VALUE_LEN = 0x161;
const CKA_EC_PARAMS = 0x180;
const CKK_GENERIC_SECRET = 0x10;
const CKK_EC = 0x3;
const CKK_AES = 0x1f;

/** Every usage of an object is written out, since modules differ in what they default to. */
function usages(...allowed: number[]): [number, boolean][] {
  const all = [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE];
  return all.map((usage) => [usage, allowed.includes(usage)]);
}

const aes256: KeyTemplate = {
  mechanism: CKM_AES_KEY_GEN,
  attributes: [[CKA_KEY_TYPE, CKK_AES], [CKA_VALUE_LEN, 32], ...usages(CKA_ENCRYPT, CKA_DECRYPT)],
};

export interface KeySpecEntry {
  readonly template: KeyTemplate;
  readonly keyUsages: readonly KeyUsageType[];
  readonly encryptionAlgorithms: readonly EncryptionAlgorithmSpec[];
  /** Of symmetric keys: the suite of materials made from now on. */
  readonly suite: CipherSuite;
}

export const keySpecs: Readonly<Partial<Record<KeySpec, KeySpecEntry>>> = {
  SYMMETRIC_DEFAULT: {
    template: aes256,
    keyUsages: ['ENCRYPT_DECRYPT'],
    encryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
    suite: 1,
  },
};

/** The daemon's own keys in the default store, by purpose; the token's label is `keyhold/internal/<purpose>`. */
export const internalKeys = {
  /** MACs of metadata records. */
  'record-mac': {
    mechanism: CKM_GENERIC_SECRET_KEY_GEN,
    attributes: [[CKA_KEY_TYPE, CKK_GENERIC_SECRET], [CKA_VALUE_LEN, 32], ...usages(CKA_SIGN, CKA_VERIFY)],
  },
  /** Encryption of secrets at rest. */
  secrets: aes256,
  /** Signatures of audit checkpoints; P-256 by its OID 1.2.840.10045.3.1.7. */
  'audit-signing': {
    mechanism: CKM_EC_KEY_PAIR_GEN,
    attributes: [[CKA_KEY_TYPE, CKK_EC], ...privateUsages(CKA_SIGN)],
    publicAttributes: [
      [CKA_KEY_TYPE, CKK_EC],
      [CKA_EC_PARAMS, '06082a8648ce3d030107'],
      [CKA_VERIFY, true],
    ],
  },
} as const satisfies Record<string, KeyTemplate>;

export type InternalKeyPurpose = keyof typeof internalKeys;

function privateUsages(...allowed: number[]): [number, boolean][] {
  return [CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP, CKA_DERIVE].map((usage) => [usage, allowed.includes(usage)]);
}

/** HMAC-SHA-256 over the message itself. */
export const hmacSha256 = { type: CKM_SHA256_HMAC };

/** ECDSA P-256 over SHA-256 of a message, DER. The digest needs no key, so it is made here. */
export function ecdsaSha256(store: KeyStore, id: ObjectId, message: Buffer): Promise<Buffer> {
  const digest = createHash('sha256').update(message).digest();
  return store.sign(id, { type: CKM_ECDSA }, 'ecdsa-der', digest);
}
