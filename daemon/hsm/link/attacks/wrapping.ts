// Attacks that wrap material, or the keys of a link, in a way that the attacker can open.
import pkcs11 from 'pkcs11js';
import { oaep } from '../oaep.js';
import { aesKeyWrapPad } from '../templates.js';
import { wrap, type Attack } from './attack.js';
import { oneBlock, refusals, sources } from './common.js';

const { clulow, delaune, bardou, links } = sources;
const { notPermitted, notWrappable, unextractable, mechanismInvalid } = refusals;

/** Attacks by C_WrapKey. */
export const wrapping: readonly Attack[] = [
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
