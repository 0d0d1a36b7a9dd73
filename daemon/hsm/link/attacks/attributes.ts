// Attacks that change or read attributes.
import pkcs11, { type Attribute, type Handle } from 'pkcs11js';
import { isReadable, isTrue, type Attack, type Range } from './attack.js';
import { truth, lie, set, copy, refusals, sources } from './common.js';

const { clulow, delaune, tookan, links } = sources;
const { actionProhibited, readOnly, sensitive, inconsistent } = refusals;

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

/** Attacks by C_SetAttributeValue, C_CopyObject and C_GetAttributeValue. */
export const attributes: readonly Attack[] = [
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
