// Constants of PKCS#11 (pkcs11t.h of v2.40 and v3.0, or v3.2 where noted), and functions that make templates.
import type { Attributes, KeyTemplate } from '../../hsm/key-store.js';

export const CKM_RSA_PKCS_KEY_PAIR_GEN = 0x0;
export const CKM_RSA_PKCS = 0x1;
export const CKM_RSA_X_509 = 0x3;
export const CKM_RSA_PKCS_OAEP = 0x9;
export const CKM_RSA_PKCS_PSS = 0xd;
export const CKM_SHA256 = 0x250;
export const CKM_SHA224_HMAC = 0x256;
export const CKM_SHA256_HMAC = 0x251;
export const CKM_SHA384 = 0x260;
export const CKM_SHA384_HMAC = 0x261;
export const CKM_SHA512 = 0x270;
export const CKM_SHA512_HMAC = 0x271;
export const CKM_GENERIC_SECRET_KEY_GEN = 0x350;
export const CKM_EC_KEY_PAIR_GEN = 0x1040;
export const CKM_ECDSA = 0x1041;
export const CKM_ECDH1_DERIVE = 0x1050;
export const CKM_EC_EDWARDS_KEY_PAIR_GEN = 0x1055;
export const CKM_EDDSA = 0x1057;
export const CKM_AES_KEY_GEN = 0x1080;
export const CKM_AES_CBC = 0x1082;
export const CKM_AES_GCM = 0x1087;
/** v3.2. */
export const CKM_ML_KEM_KEY_PAIR_GEN = 0xf;
export const CKM_ML_KEM = 0x17;
export const CKM_ML_DSA_KEY_PAIR_GEN = 0x1c;

export const CKG_MGF1_SHA256 = 0x2;
export const CKG_MGF1_SHA384 = 0x3;
export const CKG_MGF1_SHA512 = 0x4;

export const CKO_PUBLIC_KEY = 0x2;
export const CKO_PRIVATE_KEY = 0x3;
export const CKO_SECRET_KEY = 0x4;

export const CKA_CLASS = 0x0;
export const CKA_PRIVATE = 0x2;
export const CKA_LABEL = 0x3;
export const CKA_KEY_TYPE = 0x100;
export const CKA_ID = 0x102;
export const CKA_SENSITIVE = 0x103;
export const CKA_ENCRYPT = 0x104;
export const CKA_DECRYPT = 0x105;
export const CKA_WRAP = 0x106;
export const CKA_UNWRAP = 0x107;
export const CKA_SIGN = 0x108;
export const CKA_SIGN_RECOVER = 0x109;
export const CKA_VERIFY = 0x10a;
export const CKA_VERIFY_RECOVER = 0x10b;
export const CKA_DERIVE = 0x10c;
export const CKA_MODULUS = 0x120;
export const CKA_MODULUS_BITS = 0x121;
export const CKA_PUBLIC_EXPONENT = 0x122;
export const CKA_VALUE_LEN = 0x161;
export const CKA_EXTRACTABLE = 0x162;
export const CKA_LOCAL = 0x163;
export const CKA_NEVER_EXTRACTABLE = 0x164;
export const CKA_ALWAYS_SENSITIVE = 0x165;
export const CKA_EC_PARAMS = 0x180;
export const CKA_ALWAYS_AUTHENTICATE = 0x202;
/** v3.2. */
export const CKA_PARAMETER_SET = 0x61d;
export const CKA_ENCAPSULATE = 0x633;
export const CKA_DECAPSULATE = 0x634;

export const CKK_RSA = 0x0;
export const CKK_EC = 0x3;
export const CKK_GENERIC_SECRET = 0x10;
export const CKK_AES = 0x1f;
export const CKK_EC_EDWARDS = 0x40;
/** v3.2. */
export const CKK_ML_KEM = 0x49;
export const CKK_ML_DSA = 0x4a;

const secretUsages = [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE];
const privateUsages = [CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER, CKA_UNWRAP, CKA_DERIVE];
const publicUsages = [CKA_ENCRYPT, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_WRAP];

/** Sets every usage attribute explicitly, since the defaults of modules differ. */
function usages(all: readonly number[], allowed: readonly number[]): [number, boolean][] {
  return [...new Set([...all, ...allowed])].map((usage) => [usage, allowed.includes(usage)]);
}

/** Makes the template of a secret key. @param length of the key in bytes @param allowed CKA numbers of its usages */
export function secretKey(
  mechanism: number,
  keyType: number,
  length: number,
  ...allowed: number[]
): KeyTemplate {
  const attributes: Attributes = [
    [CKA_KEY_TYPE, keyType],
    [CKA_VALUE_LEN, length],
    ...usages(secretUsages, allowed),
  ];
  return { mechanism, attributes };
}

/** How to generate a kind of key pair; the parameters belong to the template of the public key. */
export interface PairGeneration {
  readonly mechanism: number;
  readonly keyType: number;
  readonly parameters: Attributes;
}

/** Makes the template of a key pair. @param allowed CKA numbers of the usage of the private key, and of the public key */
export function keyPair(
  { mechanism, keyType, parameters }: PairGeneration,
  allowed: { readonly private?: number; readonly public?: number } = {},
): KeyTemplate {
  const list = (usage: number | undefined) => (usage === undefined ? [] : [usage]);
  return {
    mechanism,
    attributes: [[CKA_KEY_TYPE, keyType], ...usages(privateUsages, list(allowed.private))],
    publicAttributes: [[CKA_KEY_TYPE, keyType], ...parameters, ...usages(publicUsages, list(allowed.public))],
  };
}
