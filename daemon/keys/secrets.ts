// Secrets at rest: only under a key that lives in the HSM.
import type { CipherKey, KeyStore } from '../hsm/key-store.js';

const ivLength = 12;

export class Secrets {
  /** @param key the daemon's own key for secrets, in the default store */
  constructor(
    private readonly store: KeyStore,
    private readonly key: CipherKey,
  ) {}

  /**
   * Encrypts a secret.
   * @param name what the secret is, to which it is bound: it cannot be read as another one
   * @returns IV, ciphertext and tag in base64
   * @throws HsmError
   */
  async seal(name: string, secret: Buffer): Promise<string> {
    const { iv, ciphertext } = await this.store.encrypt(this.key, Buffer.from(name), secret);
    return Buffer.concat([iv, ciphertext]).toString('base64');
  }

  /**
   * @returns the secret, which the caller wipes
   * @throws HsmError 'invalid-ciphertext' also where it was sealed under another name
   */
  open(name: string, sealed: string): Promise<Buffer> {
    const bytes = Buffer.from(sealed, 'base64');
    const message = { iv: bytes.subarray(0, ivLength), ciphertext: bytes.subarray(ivLength) };
    return this.store.decrypt(this.key, Buffer.from(name), message);
  }
}
