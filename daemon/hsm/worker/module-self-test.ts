// Self-test of a module that failed without a reason: can it still decrypt and unwrap with a session key?
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

/** Template of the session key for the self-test. It encrypts one block of zeros, once. */
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

/** A call that succeeds on a working module. */
type SelfTest = () => void;

function decryption({ module, session }: Token, key: Handle): SelfTest {
  module.C_EncryptInit(session, gcm, key);
  const ciphertext = Buffer.from(module.C_Encrypt(session, Buffer.alloc(16), Buffer.alloc(32)));
  return () => {
    module.C_DecryptInit(session, gcm, key);
    module.C_Decrypt(session, ciphertext, Buffer.alloc(32));
  };
}

function unwrapping({ module, session }: Token, key: Handle): SelfTest {
  const inner = module.C_GenerateKey(session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [
    ...attributes,
    { type: pkcs11.CKA_EXTRACTABLE, value: true },
  ]);
  const wrapped = Buffer.from(module.C_WrapKey(session, keyWrap, key, inner, Buffer.alloc(64)));
  module.C_DestroyObject(session, inner);
  return () =>
    module.C_DestroyObject(session, module.C_UnwrapKey(session, keyWrap, key, wrapped, [...unwrapped]));
}

const preparations = { decryption, unwrapping } as const;
/** An ability to test. */
export type Ability = keyof typeof preparations;

/** The self-tests by token; undefined if the module lacks the mechanisms. */
const selfTests = new WeakMap<Token, Map<Ability, SelfTest | undefined>>();

/** Whether the module succeeds at an operation with the key of the self-test. A module without the mechanisms passes. */
export function passesSelfTest(token: Token, ability: Ability): boolean {
  const known = selfTests.get(token) ?? new Map<Ability, SelfTest | undefined>();
  selfTests.set(token, known);
  try {
    if (!known.has(ability)) known.set(ability, prepare(token, ability));
    known.get(ability)?.();
    return true;
  } catch {
    return false;
  }
}

function prepare(token: Token, ability: Ability): SelfTest | undefined {
  const { module, session } = token;
  let key: Handle | undefined;
  try {
    key = module.C_GenerateKey(session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [...attributes]);
    return preparations[ability](token, key);
  } catch (error) {
    if (key) module.C_DestroyObject(session, key);
    if (meaningOf(error)?.code === 'unsupported') return undefined;
    throw error;
  }
}
