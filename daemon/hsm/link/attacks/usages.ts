// Attacks that use the keys of a link, or material, for something else.
import pkcs11, { type Mechanism } from 'pkcs11js';
import { ulongs } from '../nested-template.js';
import { isReadable, type Attack } from './attack.js';
import { truth, lie, copy, refusals, sources } from './common.js';

const { clulow, delaune } = sources;
const { notPermitted, mechanismInvalid } = refusals;

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

/** Attacks by C_DecryptInit, C_EncryptInit and C_DeriveKey. */
export const usages: readonly Attack[] = [
  ...usesOtherwise('send', { mechanism: pkcs11.CKM_AES_ECB }),
  ...usesOtherwise('receive', { mechanism: pkcs11.CKM_AES_ECB }),
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
