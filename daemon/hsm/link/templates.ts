// The attributes of a link's keys. Each denies whatever the key is not for: what a template leaves out, some modules allow.
import pkcs11, { type Attribute } from 'pkcs11js';
import { type NestedAttribute, ulongs } from './nested-template.js';

/** AES key wrap with padding (RFC 5649), under SoftHSM's number. */
export const aesKeyWrapPad = { mechanism: 0x210a };

const usages = [
  pkcs11.CKA_ENCRYPT,
  pkcs11.CKA_DECRYPT,
  pkcs11.CKA_SIGN,
  pkcs11.CKA_VERIFY,
  pkcs11.CKA_WRAP,
  pkcs11.CKA_UNWRAP,
  pkcs11.CKA_DERIVE,
] as const;
/** A public key has no CKA_DECRYPT, CKA_SIGN and CKA_UNWRAP, and a private key none of the others. */
const privateUsages = [
  pkcs11.CKA_DECRYPT,
  pkcs11.CKA_SIGN,
  pkcs11.CKA_SIGN_RECOVER,
  pkcs11.CKA_UNWRAP,
  pkcs11.CKA_DERIVE,
] as const;
const publicUsages = [
  pkcs11.CKA_ENCRYPT,
  pkcs11.CKA_VERIFY,
  pkcs11.CKA_VERIFY_RECOVER,
  pkcs11.CKA_WRAP,
] as const;

/** Sets one usage of a key and clears the others. */
function usageOf(allowed: number, of: readonly number[]): Attribute[] {
  return of.map((type) => ({ type, value: type === allowed }));
}

function onlyMechanism(mechanism: number): Attribute {
  return { type: pkcs11.CKA_ALLOWED_MECHANISMS, value: ulongs([mechanism]) };
}

/** Stands last: SoftHSM 2.6.1 sets attributes one by one, and refuses those that follow CKA_MODIFIABLE false. */
const unchangeable: readonly Attribute[] = [
  { type: pkcs11.CKA_COPYABLE, value: false },
  { type: pkcs11.CKA_MODIFIABLE, value: false },
];

const aes256: readonly Attribute[] = [
  { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
  { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_AES },
];

/**
 * The transport key as the security officer generates it: a session object, which only this process sees. It is trusted,
 * and extractable once, for the peer. CKA_PRIVATE is false, because an officer has no access to private objects, and because
 * it has to outlive the officer's logout (PKCS #11 v2.40, section 5.6, C_Logout).
 */
export const transportKey: readonly Attribute[] = [
  ...aes256,
  { type: pkcs11.CKA_TOKEN, value: false },
  { type: pkcs11.CKA_PRIVATE, value: false },
  { type: pkcs11.CKA_SENSITIVE, value: true },
  { type: pkcs11.CKA_EXTRACTABLE, value: true },
  { type: pkcs11.CKA_TRUSTED, value: true },
  { type: pkcs11.CKA_VALUE_LEN, value: 32 },
  ...usageOf(pkcs11.CKA_WRAP, usages),
  onlyMechanism(aesKeyWrapPad.mechanism),
];

/**
 * What a copy of {@link transportKey} gets on its way into the token. With CKA_MODIFIABLE true whoever has the PIN could set
 * CKA_UNWRAP or CKA_DECRYPT and so read what it wrapped: SoftHSM 2.6.1 allows that.
 * @param place label, CKA_ID and CKA_TOKEN
 */
export function sendKey(place: readonly Attribute[]): Attribute[] {
  return [
    ...place,
    { type: pkcs11.CKA_PRIVATE, value: true },
    { type: pkcs11.CKA_EXTRACTABLE, value: false },
    // SoftHSM 2.6.1 takes no CKA_COPYABLE here. A copy has the same attributes, so it is worth nothing.
    { type: pkcs11.CKA_MODIFIABLE, value: false },
  ];
}

/** The RSA pair of a ceremony: session objects. It unwraps the peer's transport key and nothing else. */
export const wrappingPair: { readonly public: readonly Attribute[]; readonly private: readonly Attribute[] } =
  {
    public: [
      { type: pkcs11.CKA_TOKEN, value: false },
      { type: pkcs11.CKA_PRIVATE, value: false },
      { type: pkcs11.CKA_MODULUS_BITS, value: 4_096 },
      { type: pkcs11.CKA_PUBLIC_EXPONENT, value: Buffer.from('010001', 'hex') },
      ...usageOf(pkcs11.CKA_WRAP, publicUsages),
    ],
    private: [
      { type: pkcs11.CKA_TOKEN, value: false },
      { type: pkcs11.CKA_PRIVATE, value: true },
      { type: pkcs11.CKA_SENSITIVE, value: true },
      { type: pkcs11.CKA_EXTRACTABLE, value: false },
      ...usageOf(pkcs11.CKA_UNWRAP, privateUsages),
      onlyMechanism(pkcs11.CKM_RSA_PKCS_OAEP),
      ...unchangeable,
    ],
  };

/** The peer's wrapping key, for one C_WrapKey. @param numbers CKA_MODULUS and CKA_PUBLIC_EXPONENT */
export function peerWrappingKey(numbers: readonly Attribute[]): Attribute[] {
  return [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PUBLIC_KEY },
    { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_RSA },
    { type: pkcs11.CKA_TOKEN, value: false },
    { type: pkcs11.CKA_PRIVATE, value: false },
    ...usageOf(pkcs11.CKA_WRAP, publicUsages),
    ...numbers,
  ];
}

/** What every object must have that the receive key unwraps (CKA_UNWRAP_TEMPLATE); a template without them is refused. */
export const unwrapTemplate: readonly Attribute[] = [
  { type: pkcs11.CKA_PRIVATE, value: true },
  { type: pkcs11.CKA_SENSITIVE, value: true },
  { type: pkcs11.CKA_WRAP_WITH_TRUSTED, value: true },
];

/** The peer's transport key in this token. @param place label, CKA_ID and CKA_TOKEN */
export function receiveKey(place: readonly Attribute[]): NestedAttribute[] {
  return [
    ...aes256,
    ...place,
    { type: pkcs11.CKA_PRIVATE, value: true },
    { type: pkcs11.CKA_SENSITIVE, value: true },
    { type: pkcs11.CKA_EXTRACTABLE, value: false },
    ...usageOf(pkcs11.CKA_UNWRAP, usages),
    onlyMechanism(aesKeyWrapPad.mechanism),
    { type: pkcs11.CKA_UNWRAP_TEMPLATE, value: unwrapTemplate as readonly NestedAttribute[] },
    ...unchangeable,
  ] as NestedAttribute[];
}

/** The pair that signs what this Region sends over the link: session objects, which are copied into the token. */
export function signingPair(curve: string): { public: Attribute[]; private: Attribute[] } {
  return {
    public: [
      { type: pkcs11.CKA_TOKEN, value: false },
      { type: pkcs11.CKA_PRIVATE, value: false },
      { type: pkcs11.CKA_EC_PARAMS, value: Buffer.from(curve, 'hex') },
      ...usageOf(pkcs11.CKA_VERIFY, publicUsages),
    ],
    private: [
      { type: pkcs11.CKA_TOKEN, value: false },
      { type: pkcs11.CKA_PRIVATE, value: true },
      { type: pkcs11.CKA_SENSITIVE, value: true },
      { type: pkcs11.CKA_EXTRACTABLE, value: false },
      ...usageOf(pkcs11.CKA_SIGN, privateUsages),
    ],
  };
}
