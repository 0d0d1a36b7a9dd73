// What an attack on key wrapping is, and the keys that attacks are tried with. The attacker has the user's PIN. The keys are
// those of a link that the token has with itself, and materials of multi-Region keys; all of them are session objects.
import pkcs11, { type Attribute, type Handle, type Mechanism } from 'pkcs11js';
import { curves } from '../../curves.js';
import { unwrapNested } from '../nested-template.js';
import { oaep, rawOaep } from '../oaep.js';
import type { OfficerSession } from '../officer-session.js';
import { aesKeyWrapPad, receiveKey, sendKey } from '../templates.js';

/** An attack. */
export interface Attack {
  /** What the attacker does, as a sentence without a subject: "wraps material under a key of his own". */
  readonly name: string;
  /** Where the attack was described. */
  readonly source: string;
  /** Return values that refuse it: CKR numbers of the standard and of modules at hand. */
  readonly expected: readonly number[];
  /**
   * Tries it.
   * @returns whether it gained anything; a module may also ignore what is forbidden
   * @throws what pkcs11js throws if the module refuses
   */
  attempt(range: Range): boolean;
}

/** The keys that attacks are tried with. */
export interface Range {
  readonly opened: OfficerSession;
  readonly send: Handle;
  readonly receive: Handle;
  readonly wrapping: { readonly publicKey: Handle; readonly privateKey: Handle };
  /** An AES key and a P-256 private key as multi-Region keys have them. */
  readonly material: Handle;
  readonly privateKey: Handle;
  /** An AES key of the attacker that may wrap, unwrap, encrypt and decrypt. */
  readonly own: Handle;
  /** {@link material} under {@link send}, and a transport key under {@link wrapping}. */
  readonly wrapped: Buffer;
  readonly sealed: Buffer;
}

/** Bytes for any wrapped key of an attack. */
const longestWrapped = 8_192;

const multiRegion: readonly Attribute[] = [
  { type: pkcs11.CKA_TOKEN, value: false },
  { type: pkcs11.CKA_PRIVATE, value: true },
  { type: pkcs11.CKA_SENSITIVE, value: true },
  { type: pkcs11.CKA_EXTRACTABLE, value: true },
  { type: pkcs11.CKA_WRAP_WITH_TRUSTED, value: true },
];

/** What a template needs to become an AES key. */
export const aesSession: readonly Attribute[] = [
  { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
  { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_AES },
  { type: pkcs11.CKA_TOKEN, value: false },
];

/**
 * Prepares keys, and makes sure that the link itself works: else a refusal says nothing.
 * @param transport a transport key that the officer made; it is used up
 * @throws what pkcs11js throws; HsmError 'unsupported' if the module does not unwrap as a link needs
 */
export function prepareRange(opened: OfficerSession, transport: Handle, wrapping: Range['wrapping']): Range {
  const { module, session, library } = opened;
  const place = [{ type: pkcs11.CKA_TOKEN, value: false }];
  const sealed = wrap(opened, oaep, wrapping.publicKey, transport);
  const send = module.C_CopyObject(session, transport, sendKey(place));
  opened.destroy([transport]);
  const receive = unwrapNested(library, session, rawOaep, wrapping.privateKey, sealed, receiveKey(place));
  const generation = { mechanism: pkcs11.CKM_AES_KEY_GEN };
  const usages = (...types: number[]) => types.map((type) => ({ type, value: true }));
  const material = module.C_GenerateKey(session, generation, [
    ...multiRegion,
    { type: pkcs11.CKA_VALUE_LEN, value: 32 },
    ...usages(pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT),
  ]);
  const own = module.C_GenerateKey(session, generation, [
    { type: pkcs11.CKA_TOKEN, value: false },
    { type: pkcs11.CKA_PRIVATE, value: true },
    { type: pkcs11.CKA_VALUE_LEN, value: 32 },
    ...usages(pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP, pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT),
  ]);
  const { privateKey } = module.C_GenerateKeyPair(
    session,
    { mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN },
    [
      { type: pkcs11.CKA_TOKEN, value: false },
      { type: pkcs11.CKA_EC_PARAMS, value: Buffer.from(curves.prime256v1.parameters, 'hex') },
    ],
    [...multiRegion, ...usages(pkcs11.CKA_SIGN)],
  );
  const wrapped = wrap(opened, aesKeyWrapPad, send, material);
  const arrived = unwrap(opened, aesKeyWrapPad, receive, wrapped, arrivedMaterial);
  const text = Buffer.alloc(16, 1);
  if (!encrypt(opened, arrived, text).equals(encrypt(opened, material, text)))
    throw new Error('Material that was wrapped and unwrapped over a link is another one');
  opened.destroy([arrived]);
  return { opened, send, receive, wrapping, material, privateKey, own, wrapped, sealed };
}

/** The template of material that arrives over a link. */
export const arrivedMaterial: readonly Attribute[] = [
  ...aesSession,
  ...multiRegion.filter(({ type }) => type !== pkcs11.CKA_TOKEN),
  { type: pkcs11.CKA_ENCRYPT, value: true },
];

/** C_WrapKey. */
export function wrap({ module, session }: OfficerSession, how: Mechanism, key: Handle, what: Handle): Buffer {
  return Buffer.from(module.C_WrapKey(session, how, key, what, Buffer.alloc(longestWrapped)));
}

/** C_UnwrapKey. */
export function unwrap(
  { module, session }: OfficerSession,
  how: Mechanism,
  key: Handle,
  wrapped: Buffer,
  template: readonly Attribute[],
): Handle {
  return module.C_UnwrapKey(session, how, key, wrapped, [...template]);
}

/** Encrypts blocks of 16 bytes with AES-ECB. */
export function encrypt({ module, session }: OfficerSession, key: Handle, text: Buffer): Buffer {
  module.C_EncryptInit(session, { mechanism: pkcs11.CKM_AES_ECB }, key);
  return Buffer.from(module.C_Encrypt(session, text, Buffer.alloc(text.length + 16)));
}

/** Whether an attribute of an object is true. */
export function isTrue({ module, session }: OfficerSession, key: Handle, type: number): boolean {
  const [read] = module.C_GetAttributeValue(session, key, [{ type }]);
  return read?.value?.[0] === 1;
}

/** Whether the value of a secret key can be read. */
export function isReadable({ module, session }: OfficerSession, key: Handle): boolean {
  const [read] = module.C_GetAttributeValue(session, key, [{ type: pkcs11.CKA_VALUE }]);
  return read?.value?.length !== 0;
}
