// Attacks that unwrap with other attributes, by other mechanisms, or what was never wrapped.
import { randomBytes } from 'node:crypto';
import pkcs11, { type Attribute, type Handle } from 'pkcs11js';
import { oaep } from '../oaep.js';
import { aesKeyWrapPad } from '../templates.js';
import { aesSession, arrivedMaterial, isTrue, unwrap, type Attack, type Range } from './attack.js';
import { lie, oneBlock, refusals, sources } from './common.js';

const { clulow, delaune, tookan, bardou, links } = sources;
const { readOnly, notPermitted, mechanismInvalid, inconsistent } = refusals;

/** What a module answers to wrapped bytes that fail the integrity check of RFC 5649. */
const damaged = [
  pkcs11.CKR_WRAPPED_KEY_INVALID,
  pkcs11.CKR_WRAPPED_KEY_LEN_RANGE,
  pkcs11.CKR_ENCRYPTED_DATA_INVALID,
  pkcs11.CKR_GENERAL_ERROR,
];

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

/** Attacks by C_UnwrapKey. */
export const unwrapping: readonly Attack[] = [
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
