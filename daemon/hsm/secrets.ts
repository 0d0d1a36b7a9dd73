// Secrets at rest: only under a key that lives in the HSM.
import type { CipherKey, KeyStore } from './key-store.js';

/** Bytes of the IV in front of the ciphertext. */
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
   * @param name what the secret is; it is authenticated, so the secret cannot be read as another one
   * @param secret the caller wipes it
   * @returns 12 bytes of IV, the ciphertext and 16 bytes of tag
   * @throws HsmError
   */
  async seal(name: string, secret: Buffer): Promise<Buffer> {
    const { iv, ciphertext } = await this.store.encrypt(this.key, Buffer.from(name), secret);
    return Buffer.concat([iv, ciphertext]);
  }

  /**
   * Decrypts a secret.
   * @param name as it was sealed
   * @param sealed what {@link seal} returned
   * @returns the secret, which the caller wipes
   * @throws HsmError 'invalid-ciphertext' also where it was sealed under another name
   */
  open(name: string, sealed: Buffer): Promise<Buffer> {
    const message = { iv: sealed.subarray(0, ivLength), ciphertext: sealed.subarray(ivLength) };
    return this.store.decrypt(this.key, Buffer.from(name), message);
  }
}
