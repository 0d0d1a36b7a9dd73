// Attacks that make a trusted key with the user’s PIN alone.
import { randomBytes } from 'node:crypto';
import pkcs11, { type Handle } from 'pkcs11js';
import { aesKeyWrapPad } from '../templates.js';
import { aesSession, isTrue, unwrap, wrap, type Attack, type Range } from './attack.js';
import { truth, lie, set, copy, refusals, sources } from './common.js';

const { links } = sources;
const { readOnly } = refusals;

const trusted = truth(pkcs11.CKA_TRUSTED);
/** Attacks that make a trusted key. */
export const trustedKeys: readonly Attack[] = [
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
