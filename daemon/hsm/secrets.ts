// Encryption of the daemon's own secrets at rest, under a key in the HSM.
import type { CipherKey, KeyStore } from './key-store.js';

/** Length in bytes of the IV that precedes the ciphertext. */
const ivLength = 12;

/** Encrypts and decrypts the daemon's own secrets. */
export class Secrets {
  /** @param key the daemon's own key for secrets, AES_256_GCM, in the default store */
  constructor(
    private readonly store: KeyStore,
    private readonly key: CipherKey,
  ) {}

  /**
   * Encrypts a secret.
   * @param name names the secret; it is authenticated, so that one secret cannot take the place of another
   * @param secret the caller wipes it
   * @returns 12 bytes of IV, the ciphertext, 16 bytes of tag
   * @throws HsmError
   */
  async seal(name: string, secret: Buffer): Promise<Buffer> {
    const { iv, ciphertext } = await this.store.encrypt(this.key, Buffer.from(name), secret);
    return Buffer.concat([iv, ciphertext]);
  }

  /**
   * Decrypts a secret.
   * @param name the name that it was sealed with
   * @param sealed what {@link seal} returned
   * @returns the secret, which the caller wipes
   * @throws HsmError 'invalid-ciphertext', also if it was sealed with another name
   */
  open(name: string, sealed: Buffer): Promise<Buffer> {
    const message = { iv: sealed.subarray(0, ivLength), ciphertext: sealed.subarray(ivLength) };
    return this.store.decrypt(this.key, Buffer.from(name), message);
  }
}
