// Whether a module that fails without a reason decrypts and unwraps at all: else its failure is taken for the ciphertext's.
import pkcs11, { type Attribute, type Handle } from 'pkcs11js';
import { meaningOf } from '../pkcs11/return-values.js';
import type { Token } from './token.js';

const gcm = {
  mechanism: pkcs11.CKM_AES_GCM,
  parameter: {
    type: pkcs11.CK_PARAMS_AES_GCM_v240,
    iv: Buffer.alloc(12),
    ivBits: 96,
    aad: Buffer.alloc(0),
    tagBits: 128,
  },
};
const keyWrap = { mechanism: pkcs11.CKM_AES_KEY_WRAP };

/** Of a key that lives as long as its worker, never leaves the token, and encrypts one text of zeros, once. */
const attributes: readonly Attribute[] = [
  { type: pkcs11.CKA_TOKEN, value: false },
  { type: pkcs11.CKA_PRIVATE, value: true },
  { type: pkcs11.CKA_SENSITIVE, value: true },
  { type: pkcs11.CKA_VALUE_LEN, value: 32 },
  ...[pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP].map((type) => ({
    type,
    value: true,
  })),
];
const unwrapped: readonly Attribute[] = [
  { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
  { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_AES },
  { type: pkcs11.CKA_TOKEN, value: false },
  { type: pkcs11.CKA_PRIVATE, value: true },
  { type: pkcs11.CKA_SENSITIVE, value: true },
];

/** A call that a sound module does; and how to make what it takes. */
type Trial = () => void;

function decryption({ module, session }: Token, key: Handle): Trial {
  module.C_EncryptInit(session, gcm, key);
  const ciphertext = Buffer.from(module.C_Encrypt(session, Buffer.alloc(16), Buffer.alloc(32)));
  return () => {
    module.C_DecryptInit(session, gcm, key);
    module.C_Decrypt(session, ciphertext, Buffer.alloc(32));
  };
}

function unwrapping({ module, session }: Token, key: Handle): Trial {
  const inner = module.C_GenerateKey(session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [
    ...attributes,
    { type: pkcs11.CKA_EXTRACTABLE, value: true },
  ]);
  const wrapped = Buffer.from(module.C_WrapKey(session, keyWrap, key, inner, Buffer.alloc(64)));
  module.C_DestroyObject(session, inner);
  return () =>
    module.C_DestroyObject(session, module.C_UnwrapKey(session, keyWrap, key, wrapped, [...unwrapped]));
}

const makers = { decryption, unwrapping } as const;
/** What may be asked. */
export type Ability = keyof typeof makers;

/** By token, of which a worker has one: its trials; undefined where the module lacks what they take. */
const trials = new WeakMap<Token, Map<Ability, Trial | undefined>>();

/**
 * Whether the module does for a key of this module's own what it just failed to do. A module that lacks AES is believed.
 */
export function isSound(token: Token, ability: Ability): boolean {
  const known = trials.get(token) ?? new Map<Ability, Trial | undefined>();
  trials.set(token, known);
  try {
    if (!known.has(ability)) known.set(ability, prepare(token, ability));
    known.get(ability)?.();
    return true;
  } catch {
    return false;
  }
}

function prepare(token: Token, ability: Ability): Trial | undefined {
  const { module, session } = token;
  let key: Handle | undefined;
  try {
    key = module.C_GenerateKey(session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [...attributes]);
    return makers[ability](token, key);
  } catch (error) {
    if (key) module.C_DestroyObject(session, key);
    if (meaningOf(error)?.code === 'unsupported') return undefined;
    throw error;
  }
}
