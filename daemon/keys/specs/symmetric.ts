import type { KeySpecEntry } from './entry.js';
import { CKA_DECRYPT, CKA_ENCRYPT, CKK_AES, CKM_AES_GCM, CKM_AES_KEY_GEN, secretKey } from './pkcs11.js';

export const aes256 = secretKey(CKM_AES_KEY_GEN, CKK_AES, 32, CKA_ENCRYPT, CKA_DECRYPT);

export const symmetricDefault: KeySpecEntry = {
  usages: {
    ENCRYPT_DECRYPT: {
      template: aes256,
      encryption: { SYMMETRIC_DEFAULT: { mechanism: CKM_AES_GCM, cipher: 1, maxPlaintext: 4_096 } },
    },
  },
  defaultUsage: 'ENCRYPT_DECRYPT',
  suite: 1,
  importedLength: { shortest: 32, longest: 32 },
};
