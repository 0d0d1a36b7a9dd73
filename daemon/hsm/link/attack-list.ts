// Attacks on key wrapping by whoever has the user's PIN: those of the design of links, and those of the literature.
//
// Clulow, "On the Security of PKCS #11", CHES 2003. Delaune, Kremer and Steel, "Formal Security Analysis of PKCS#11 and
// Proprietary Extensions", JCS 2010. Bortolozzo, Centenaro, Focardi and Steel, "Attacking and Fixing PKCS#11 Security Tokens"
// (Tookan), CCS 2010. Bardou et al., "Efficient Padding Oracle Attacks on Cryptographic Hardware", CRYPTO 2012.
import { randomBytes } from 'node:crypto';
import pkcs11, { type Attribute, type Handle, type Mechanism } from 'pkcs11js';
import {
  aesSession,
  arrivedMaterial,
  type Attack,
  isReadable,
  isTrue,
  type Range,
  unwrap,
  wrap,
} from './attack.js';
import { ulongs } from './nested-template.js';
import { oaep } from './oaep.js';
import { aesKeyWrapPad } from './templates.js';

const [clulow, delaune, tookan, bardou, links] = [
  'Clulow 2003',
  'Delaune, Kremer, Steel 2010',
  'Tookan 2010',
  'Bardou et al. 2012',
  'links of Keyhold',
];
/** CKR_ACTION_PROHIBITED of PKCS #11 v2.40, which pkcs11js does not name. */
const actionProhibited = 0x1b;
const {
  CKR_ATTRIBUTE_READ_ONLY: readOnly,
  CKR_ATTRIBUTE_SENSITIVE: sensitive,
  CKR_KEY_FUNCTION_NOT_PERMITTED: notPermitted,
  CKR_KEY_NOT_WRAPPABLE: notWrappable,
  CKR_KEY_UNEXTRACTABLE: unextractable,
  CKR_MECHANISM_INVALID: mechanismInvalid,
  CKR_TEMPLATE_INCONSISTENT: inconsistent,
} = pkcs11;
/** What a module answers to wrapped bytes that fail the integrity check of RFC 5649. */
const damaged = [
  pkcs11.CKR_WRAPPED_KEY_INVALID,
  pkcs11.CKR_WRAPPED_KEY_LEN_RANGE,
  pkcs11.CKR_ENCRYPTED_DATA_INVALID,
  pkcs11.CKR_GENERAL_ERROR,
];

const truth = (type: number): Attribute => ({ type, value: true });
const lie = (type: number): Attribute => ({ type, value: false });
const oneBlock = Buffer.alloc(16);

function set({ opened }: Range, key: Handle, attribute: Attribute): void {
  opened.module.C_SetAttributeValue(opened.session, key, [attribute]);
}

function copy({ opened }: Range, key: Handle, ...attributes: Attribute[]): Handle {
  return opened.module.C_CopyObject(opened.session, key, [lie(pkcs11.CKA_TOKEN), ...attributes]);
}

/** By C_SetAttributeValue and by C_CopyObject. */
function changes(
  key: 'send' | 'receive' | 'material' | 'privateKey',
  what: string,
  attribute: Attribute,
  source: string,
): Attack[] {
  const expected = [readOnly, actionProhibited, inconsistent, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID];
  const took = (range: Range, handle: Handle) =>
    isTrue(range.opened, handle, attribute.type) === attribute.value;
  return [
    {
      ...{ name: `sets ${what}`, source, expected },
      attempt(range) {
        set(range, range[key], attribute);
        return took(range, range[key]);
      },
    },
    {
      ...{ name: `copies a key to set ${what}`, source, expected },
      attempt: (range) => took(range, copy(range, range[key], attribute)),
    },
  ];
}

const wrapping: readonly Attack[] = [
  {
    ...{ name: 'wraps material under an AES key of his own', source: links, expected: [notWrappable] },
    attempt: ({ opened, own, material }) => wrap(opened, aesKeyWrapPad, own, material).length > 0,
  },
  {
    ...{ name: 'wraps a private key under an AES key of his own', source: links, expected: [notWrappable] },
    attempt: ({ opened, own, privateKey }) => wrap(opened, aesKeyWrapPad, own, privateKey).length > 0,
  },
  {
    ...{ name: 'wraps material under an RSA key of his own', source: links, expected: [notWrappable] },
    attempt: ({ opened, wrapping: { publicKey }, material }) =>
      wrap(opened, oaep, publicKey, material).length > 0,
  },
  {
    ...{ name: 'wraps material under the receive key', source: delaune, expected: [notPermitted] },
    attempt: ({ opened, receive, material }) => wrap(opened, aesKeyWrapPad, receive, material).length > 0,
  },
  ...(['send', 'receive'] as const).map((key): Attack => ({
    ...{ name: `wraps the ${key} key under the send key`, source: clulow, expected: [unextractable] },
    attempt: (range) => wrap(range.opened, aesKeyWrapPad, range.send, range[key]).length > 0,
  })),
  ...[
    ['CKM_AES_ECB', { mechanism: pkcs11.CKM_AES_ECB }] as const,
    ['CKM_AES_CBC', { mechanism: pkcs11.CKM_AES_CBC, parameter: oneBlock }] as const,
    ['CKM_AES_CBC_PAD', { mechanism: pkcs11.CKM_AES_CBC_PAD, parameter: oneBlock }] as const,
    ['CKM_AES_KEY_WRAP', { mechanism: 0x2109 }] as const,
  ].map(([name, mechanism]): Attack => ({
    ...{ name: `wraps material under the send key by ${name}`, source: bardou, expected: [mechanismInvalid] },
    attempt: ({ opened, send, material }) => wrap(opened, mechanism, send, material).length > 0,
  })),
];

const trusted = truth(pkcs11.CKA_TRUSTED);
const trustedKeys: readonly Attack[] = [
  {
    ...{ name: 'generates a trusted AES key', source: links, expected: [readOnly] },
    attempt: ({ opened: { module, session } }) => {
      const template = [lie(pkcs11.CKA_TOKEN), truth(pkcs11.CKA_WRAP), trusted];
      const length = { type: pkcs11.CKA_VALUE_LEN, value: 32 };
      module.C_GenerateKey(session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [...template, length]);
      return true;
    },
  },
  {
    ...{ name: 'creates a trusted AES key of known bytes', source: links, expected: [readOnly] },
    attempt: ({ opened: { module, session } }) => {
      const value = { type: pkcs11.CKA_VALUE, value: randomBytes(32) };
      module.C_CreateObject(session, [...aesSession, truth(pkcs11.CKA_WRAP), trusted, value]);
      return true;
    },
  },
  {
    ...{ name: 'creates a trusted RSA key', source: links, expected: [readOnly] },
    attempt: ({ opened: { module, session }, wrapping: { publicKey } }) => {
      const types = [pkcs11.CKA_MODULUS, pkcs11.CKA_PUBLIC_EXPONENT].map((type) => ({ type }));
      module.C_CreateObject(session, [
        { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PUBLIC_KEY },
        { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_RSA },
        ...[lie(pkcs11.CKA_TOKEN), truth(pkcs11.CKA_WRAP), trusted],
        ...module.C_GetAttributeValue(session, publicKey, types),
      ]);
      return true;
    },
  },
  {
    ...{ name: 'generates a trusted RSA pair', source: links, expected: [readOnly] },
    attempt: ({ opened: { module, session } }) => {
      const bits = { type: pkcs11.CKA_MODULUS_BITS, value: 2_048 };
      const exponent = { type: pkcs11.CKA_PUBLIC_EXPONENT, value: Buffer.from('010001', 'hex') };
      const mechanism = { mechanism: pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN };
      const open = [lie(pkcs11.CKA_TOKEN), bits, exponent, truth(pkcs11.CKA_WRAP), trusted];
      module.C_GenerateKeyPair(session, mechanism, open, [lie(pkcs11.CKA_TOKEN)]);
      return true;
    },
  },
  {
    ...{ name: 'unwraps a key as a trusted one', source: links, expected: [readOnly] },
    attempt: ({ opened, own }) => {
      const template = [...aesSession, truth(pkcs11.CKA_WRAP), trusted];
      unwrap(opened, aesKeyWrapPad, own, wrap(opened, aesKeyWrapPad, own, extractable(opened)), template);
      return true;
    },
  },
  {
    ...{ name: 'sets CKA_TRUSTED of a key of his own', source: links, expected: [readOnly] },
    attempt: (range) => {
      set(range, range.own, trusted);
      return isTrue(range.opened, range.own, pkcs11.CKA_TRUSTED);
    },
  },
  {
    ...{ name: 'copies a key of his own to a trusted one', source: links, expected: [readOnly] },
    attempt: (range) => isTrue(range.opened, copy(range, range.own, trusted), pkcs11.CKA_TRUSTED),
  },
];

function extractable({ module, session }: Range['opened']): Handle {
  return module.C_GenerateKey(session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [
    lie(pkcs11.CKA_TOKEN),
    truth(pkcs11.CKA_EXTRACTABLE),
    { type: pkcs11.CKA_VALUE_LEN, value: 32 },
  ]);
}

const attributes: readonly Attack[] = [
  ...(['material', 'privateKey'] as const).flatMap((key) => [
    ...changes(key, `CKA_WRAP_WITH_TRUSTED of ${key} to false`, lie(pkcs11.CKA_WRAP_WITH_TRUSTED), links),
    ...changes(key, `CKA_SENSITIVE of ${key} to false`, lie(pkcs11.CKA_SENSITIVE), clulow),
  ]),
  ...[pkcs11.CKA_UNWRAP, pkcs11.CKA_DECRYPT, pkcs11.CKA_ENCRYPT].flatMap((usage) =>
    changes('send', `usage 0x${usage.toString(16)} of the send key`, truth(usage), delaune),
  ),
  ...[pkcs11.CKA_WRAP, pkcs11.CKA_DECRYPT, pkcs11.CKA_ENCRYPT].flatMap((usage) =>
    changes('receive', `usage 0x${usage.toString(16)} of the receive key`, truth(usage), delaune),
  ),
  ...(['send', 'receive'] as const).flatMap((key) => [
    ...changes(key, `CKA_EXTRACTABLE of the ${key} key`, truth(pkcs11.CKA_EXTRACTABLE), tookan),
    ...changes(key, `CKA_MODIFIABLE of the ${key} key`, truth(pkcs11.CKA_MODIFIABLE), tookan),
  ]),
  {
    ...{ name: 'removes CKA_UNWRAP_TEMPLATE of the receive key', source: links },
    expected: [readOnly, actionProhibited],
    attempt: (range) => {
      set(range, range.receive, { type: pkcs11.CKA_UNWRAP_TEMPLATE, value: Buffer.alloc(0) });
      return true;
    },
  },
  ...(['material', 'send', 'receive'] as const).map((key): Attack => ({
    ...{ name: `reads CKA_VALUE of ${key}`, source: tookan, expected: [sensitive] },
    attempt: (range) => isReadable(range.opened, range[key]),
  })),
  {
    ...{ name: 'reads CKA_VALUE of a private key', source: tookan, expected: [sensitive] },
    attempt: ({ opened, privateKey }) => isReadable(opened, privateKey),
  },
];

/** Of a link's own keys: encrypting would forge wrapped keys, decrypting would open them. */
function usesOtherwise(key: 'send' | 'receive', how: Mechanism): Attack[] {
  const expected = [notPermitted, mechanismInvalid];
  return [
    {
      ...{ name: `decrypts wrapped material with the ${key} key`, source: clulow, expected },
      attempt: (range) => {
        range.opened.module.C_DecryptInit(range.opened.session, how, range[key]);
        return true;
      },
    },
    {
      ...{ name: `encrypts a known key with the ${key} key`, source: delaune, expected },
      attempt: (range) => {
        range.opened.module.C_EncryptInit(range.opened.session, how, range[key]);
        return true;
      },
    },
  ];
}

const withAttributes = (...changed: Attribute[]): Attribute[] => [
  ...arrivedMaterial.filter(({ type }) => !changed.some((each) => each.type === type)),
  ...changed,
];
const without = (type: number): Attribute[] => arrivedMaterial.filter((each) => each.type !== type);

function unwraps(
  name: string,
  source: string,
  template: readonly Attribute[],
  gained: (range: Range, key: Handle) => boolean,
): Attack {
  return {
    ...{ name: `unwraps material ${name}`, source, expected: [inconsistent, readOnly] },
    attempt: (range) =>
      gained(range, unwrap(range.opened, aesKeyWrapPad, range.receive, range.wrapped, template)),
  };
}

const isUntrusted = ({ opened }: Range, key: Handle) => !isTrue(opened, key, pkcs11.CKA_WRAP_WITH_TRUSTED);
const isOpen = ({ opened }: Range, key: Handle) => !isTrue(opened, key, pkcs11.CKA_SENSITIVE);

const unwrapping: readonly Attack[] = [
  unwraps('with CKA_SENSITIVE false', links, withAttributes(lie(pkcs11.CKA_SENSITIVE)), isOpen),
  unwraps('without CKA_SENSITIVE', links, without(pkcs11.CKA_SENSITIVE), isOpen),
  unwraps(
    'with CKA_WRAP_WITH_TRUSTED false',
    links,
    withAttributes(lie(pkcs11.CKA_WRAP_WITH_TRUSTED)),
    isUntrusted,
  ),
  unwraps('without CKA_WRAP_WITH_TRUSTED', links, without(pkcs11.CKA_WRAP_WITH_TRUSTED), isUntrusted),
  unwraps('with CKA_PRIVATE false', links, withAttributes(lie(pkcs11.CKA_PRIVATE)), () => true),
  unwraps(
    'shortened to one byte',
    clulow,
    [...arrivedMaterial, { type: pkcs11.CKA_VALUE_LEN, value: 1 }],
    () => true,
  ),
  {
    ...{ name: 'unwraps material with the send key', source: delaune, expected: [notPermitted] },
    attempt: ({ opened, send, wrapped }) =>
      unwrap(opened, aesKeyWrapPad, send, wrapped, arrivedMaterial).length > 0,
  },
  ...[
    ['random bytes', () => randomBytes(40)] as const,
    ['material with one bit changed', ({ wrapped }: Range) => flipped(wrapped)] as const,
    ['shortened material', ({ wrapped }: Range) => wrapped.subarray(0, 32)] as const,
    ['material with its blocks exchanged', ({ wrapped }: Range) => exchanged(wrapped)] as const,
  ].map(([name, bytes]): Attack => ({
    ...{ name: `unwraps ${name}`, source: tookan, expected: damaged },
    attempt: (range) =>
      unwrap(range.opened, aesKeyWrapPad, range.receive, bytes(range), arrivedMaterial).length > 0,
  })),
  ...[
    ['CKM_AES_CBC_PAD', 'receive', { mechanism: pkcs11.CKM_AES_CBC_PAD, parameter: oneBlock }] as const,
    ['CKM_AES_CBC', 'receive', { mechanism: pkcs11.CKM_AES_CBC, parameter: oneBlock }] as const,
    ['CKM_AES_ECB', 'receive', { mechanism: pkcs11.CKM_AES_ECB }] as const,
  ].map(([name, key, mechanism]): Attack => ({
    ...{ name: `unwraps material by ${name}`, source: bardou, expected: [mechanismInvalid] },
    attempt: (range) =>
      unwrap(range.opened, mechanism, range[key], range.wrapped.subarray(0, 32), arrivedMaterial).length > 0,
  })),
  ...[
    ['CKM_RSA_PKCS', { mechanism: pkcs11.CKM_RSA_PKCS }] as const,
    ['CKM_RSA_X_509', { mechanism: pkcs11.CKM_RSA_X_509 }] as const,
  ].map(([name, mechanism]): Attack => ({
    ...{ name: `unwraps a transport key by ${name}`, source: bardou, expected: [mechanismInvalid] },
    attempt: ({ opened, wrapping: { privateKey }, sealed }) =>
      unwrap(opened, mechanism, privateKey, sealed, aesSession).length > 0,
  })),
  {
    ...{ name: 'decrypts a transport key with the RSA pair', source: clulow },
    expected: [notPermitted, mechanismInvalid],
    attempt: ({ opened: { module, session }, wrapping: { privateKey } }) => {
      module.C_DecryptInit(session, oaep, privateKey);
      return true;
    },
  },
];

function flipped(wrapped: Buffer): Buffer {
  const changed = Buffer.from(wrapped);
  changed[12]! ^= 1;
  return changed;
}

function exchanged(wrapped: Buffer): Buffer {
  return Buffer.concat([
    wrapped.subarray(0, 8),
    wrapped.subarray(16, 24),
    wrapped.subarray(8, 16),
    wrapped.subarray(24),
  ]);
}

const others: readonly Attack[] = [
  {
    ...{ name: 'derives a key of one byte from material', source: clulow },
    expected: [mechanismInvalid, notPermitted],
    attempt(range) {
      const { module, session } = range.opened;
      const base = copy(range, range.material, truth(pkcs11.CKA_DERIVE));
      const mechanism = { mechanism: pkcs11.CKM_EXTRACT_KEY_FROM_KEY, parameter: ulongs([0]) };
      const derived = module.C_DeriveKey(session, mechanism, base, [
        { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
        { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_GENERIC_SECRET },
        { type: pkcs11.CKA_VALUE_LEN, value: 1 },
        ...[lie(pkcs11.CKA_TOKEN), lie(pkcs11.CKA_SENSITIVE), truth(pkcs11.CKA_EXTRACTABLE)],
      ]);
      return isReadable(range.opened, derived);
    },
  },
];

/** All attacks, in the order in which they are tried: those that change a key come last. */
export const attacks: readonly Attack[] = [
  ...wrapping,
  ...trustedKeys,
  ...unwrapping,
  ...usesOtherwise('send', { mechanism: pkcs11.CKM_AES_ECB }),
  ...usesOtherwise('receive', { mechanism: pkcs11.CKM_AES_ECB }),
  ...others,
  ...attributes,
];
