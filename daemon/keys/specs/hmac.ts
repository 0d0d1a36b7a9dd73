// HMAC (RFC 2104). Generated keys are as long as the hash; imported ones may be longer.
import type { MacAlgorithmSpec } from '../../../proto/generated/messages.js';
import type { KeySpecEntry } from './entry.js';
import { CKA_SIGN, CKA_VERIFY, CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN, secretKey } from './pkcs11.js';

/** Longest imported key in bytes, as at AWS KMS. */
const longestKey = 128;

/** Makes the key spec of an HMAC. @param length of key and MAC in bytes @param mechanism CKM number */
export function hmac(algorithm: MacAlgorithmSpec, length: number, mechanism: number): KeySpecEntry {
  return {
    usages: {
      GENERATE_VERIFY_MAC: {
        template: secretKey(CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, length, CKA_SIGN, CKA_VERIFY),
        mac: { [algorithm]: { type: mechanism } },
      },
    },
    importedLength: { shortest: length, longest: longestKey },
  };
}
