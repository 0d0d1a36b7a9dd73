import { cipherSuites } from '../../../proto/formats/ciphertext.js';
import type { KeySpecEntry, KeyUsageEntry } from './entry.js';
import {
  CKA_DECRYPT,
  CKA_ENCRYPT,
  CKA_SIGN,
  CKA_VERIFY,
  CKK_AES,
  CKK_GENERIC_SECRET,
  CKM_AES_CBC,
  CKM_AES_GCM,
  CKM_AES_KEY_GEN,
  CKM_GENERIC_SECRET_KEY_GEN,
  CKM_SHA256_HMAC,
  secretKey,
} from './pkcs11.js';

/** Bytes, as in AWS KMS. */
const maxPlaintext = 4_096;

/** Template of an AES-256 key that encrypts and decrypts. */
export const aes256 = secretKey(CKM_AES_KEY_GEN, CKK_AES, 32, CKA_ENCRYPT, CKA_DECRYPT);
const hmac256 = secretKey(CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, 32, CKA_SIGN, CKA_VERIFY);

const gcm: KeyUsageEntry = {
  suite: cipherSuites.AES_256_GCM,
  template: aes256,
  encryption: {
    SYMMETRIC_DEFAULT: { mechanism: CKM_AES_GCM, cipher: cipherSuites.AES_256_GCM, maxPlaintext },
  },
};

const cbcWithHmac: KeyUsageEntry = {
  suite: cipherSuites.AES_256_CBC_HMAC_SHA_256,
  template: { ...aes256, macKey: hmac256 },
  encryption: {
    SYMMETRIC_DEFAULT: {
      mechanism: CKM_AES_CBC,
      macMechanism: CKM_SHA256_HMAC,
      cipher: cipherSuites.AES_256_CBC_HMAC_SHA_256,
      maxPlaintext,
    },
  },
};

/** The key spec SYMMETRIC_DEFAULT. */
export const symmetricDefault: KeySpecEntry = {
  usages: { ENCRYPT_DECRYPT: gcm },
  suites: { [cipherSuites.AES_256_GCM]: gcm, [cipherSuites.AES_256_CBC_HMAC_SHA_256]: cbcWithHmac },
  defaultUsage: 'ENCRYPT_DECRYPT',
  importedLength: { shortest: 32, longest: 32 },
};
