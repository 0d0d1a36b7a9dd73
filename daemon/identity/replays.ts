import { exceptions } from '../../proto/errors.js';

const maxRemembered = 100_000;

/** Signatures seen within the time window, each of which opens one connection only. */
export class Replays {
  readonly #seen = new Map<string, number>();

  /** @param window milliseconds for which a signature must be remembered */
  constructor(private readonly window: number) {}

  /**
   * Remembers a valid signature.
   * @throws InvalidSignatureException where it was seen before, ThrottlingException past 100,000 in one window
   */
  claim(signature: string, now: number): void {
    for (const [old, expiry] of this.#seen) {
      if (expiry > now) break;
      this.#seen.delete(old);
    }
    if (this.#seen.has(signature)) {
      throw new exceptions.InvalidSignatureException(
        'This signature was used before: sign each connection anew.',
      );
    }
    if (this.#seen.size >= maxRemembered) {
      throw new exceptions.ThrottlingException(
        'Too many new connections: keep connections open and use them again.',
      );
    }
    this.#seen.set(signature, now + this.window);
  }
}
