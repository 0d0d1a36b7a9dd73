import type { Ciphertext } from '../../key-store.js';

/** Encrypts and decrypts with one cipher suite. Results may be views of scratch memory, valid until the next call. */
export interface Cipher {
  /**
   * Encrypts a message.
   * @param id CKA_ID of the key
   * @param aad additional authenticated data; empty with RSA
   * @returns the IV, and the ciphertext with what authenticates it
   * @throws HsmError, and what pkcs11js throws
   */
  encrypt(id: Buffer, aad: Buffer, plaintext: Buffer): Ciphertext;
  /**
   * Decrypts a message.
   * @throws HsmError 'invalid-ciphertext', whatever is wrong with it
   */
  decrypt(id: Buffer, aad: Buffer, iv: Buffer, ciphertext: Buffer): Buffer;
}
