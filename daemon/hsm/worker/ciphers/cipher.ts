import type { Ciphertext } from '../../key-store.js';

/** Encrypts and decrypts with one cipher suite. Results may be views of scratch memory, valid until the next call. */
export interface Cipher {
  /**
   * Encrypts a message.
   * @param id CKA_ID of the key
   * @param aad additional authenticated data; empty with RSA
   * @returns the IV, and the ciphertext followed by its tag
   * @throws HsmError, or an error of pkcs11js
   */
  encrypt(id: Buffer, aad: Buffer, plaintext: Buffer): Ciphertext;
  /**
   * Decrypts a message.
   * @param id CKA_ID of the key
   * @param ciphertext the ciphertext followed by its tag
   * @throws HsmError 'invalid-ciphertext' for any fault of the message, or an error of pkcs11js
   */
  decrypt(id: Buffer, aad: Buffer, iv: Buffer, ciphertext: Buffer): Buffer;
}
