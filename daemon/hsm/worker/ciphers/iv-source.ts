import type { Token } from '../token.js';

/** Bytes that are drawn for one IV: as many as the longest has. */
const bytesAtOnce = 16;
const mostIvs = 128;

/**
 * Random IVs from the HSM, each handed out once. They are drawn for the rest of a frame at a time (SoftHSM: 1.3 µs
 * a call, whether 16 bytes or 2,000; a device on the network: a round trip) and none outlives its frame: a machine
 * that is put back to a snapshot must not use an IV twice.
 */
export class IvSource {
  readonly #block = Buffer.alloc(mostIvs * bytesAtOnce);
  #drawn = 0;
  #used = 0;
  #expected = 0;

  constructor(private readonly token: Token) {}

  /** @param jobs how many jobs the frame holds */
  beginFrame(jobs: number): void {
    this.#block.fill(0, 0, this.#drawn * bytesAtOnce);
    this.#drawn = this.#used = 0;
    this.#expected = jobs;
  }

  /** A view that the caller wipes after use. @param length bytes, at most 16 */
  next(length: number): Buffer {
    if (this.#used === this.#drawn) {
      const count = Math.min(Math.max(this.#expected, 1), mostIvs);
      this.#drawn = this.#used = 0;
      this.token.module.C_GenerateRandom(this.token.session, this.#block.subarray(0, count * bytesAtOnce));
      this.#drawn = count;
    }
    this.#expected--;
    const start = this.#used++ * bytesAtOnce;
    return this.#block.subarray(start, start + length);
  }
}
