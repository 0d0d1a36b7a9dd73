// ML-KEM (FIPS 203) with a readable shared secret.
import type { Handle } from 'pkcs11js';
import { HsmError, type Mechanism } from '../key-store.js';
import { EncapsulationFunctions } from './functions-32.js';
import { readableSecret, takeSecret } from './readable-secrets.js';
import type { Token } from './token.js';

/** Bytes of every shared secret (FIPS 203, section 8). */
const secretLength = 32;

const template = readableSecret(secretLength);

/** Key encapsulation in a token. The module's functions are looked up for the first key that needs them. */
export class Encapsulation {
  #found?: EncapsulationFunctions;

  /** @param possible whether the module's profile says that it has the functions */
  constructor(
    private readonly token: Token,
    private readonly possible: boolean,
  ) {}

  /**
   * Makes a shared secret and its ciphertext.
   * @returns the ciphertext, and the secret of 32 bytes, which the caller wipes
   * @throws HsmError 'unsupported', or an error with the module's return value
   */
  encapsulate(publicKey: Handle, { type }: Mechanism): { ciphertext: Buffer; secret: Buffer } {
    const { ciphertext, secret } = this.#functions.encapsulate(this.token.session, type, publicKey, template);
    return { ciphertext, secret: this.#read(secret) };
  }

  /**
   * Recovers a shared secret. A ciphertext of the right length that was made for another key, or changed, gives another secret
   * (implicit rejection; FIPS 203, section 6.3).
   * @returns the secret of 32 bytes, which the caller wipes
   * @throws as {@link encapsulate}
   */
  decapsulate(privateKey: Handle, { type }: Mechanism, ciphertext: Buffer): Buffer {
    const { session } = this.token;
    return this.#read(this.#functions.decapsulate(session, type, privateKey, template, ciphertext));
  }

  get #functions(): EncapsulationFunctions {
    if (!this.possible)
      throw new HsmError('unsupported', 'The profile of the module does not say that it encapsulates keys.');
    return (this.#found ??= new EncapsulationFunctions(this.token.library));
  }

  /** Reads and destroys a shared secret. */
  #read(handle: Handle): Buffer {
    const secret = takeSecret(this.token, handle);
    if (secret.length === secretLength) return secret;
    secret.fill(0);
    throw new HsmError('internal', `The module made a shared secret of ${secret.length} bytes.`);
  }
}
