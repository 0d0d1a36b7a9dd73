import type { Token } from '../token.js';

/** Bytes that are drawn for one IV: the length of the longest. */
const bytesPerIv = 16;
/** Maximum number of IVs that are drawn at once. */
const maxIvs = 128;

/**
 * Random IVs from the HSM, each handed out once. They are drawn for a whole frame at once: a call takes SoftHSM 1.3 µs for
 * 16 or 2,000 bytes, and a network device a round trip. None outlives its frame, because a machine that is restored from a
 * snapshot must not use an IV twice.
 */
export class IvSource {
  readonly #block = Buffer.alloc(maxIvs * bytesPerIv);
  #drawn = 0;
  #used = 0;
  #expected = 0;

  constructor(private readonly token: Token) {}

  /** Discards the remaining IVs. @param jobs number of jobs in the new frame */
  beginFrame(jobs: number): void {
    this.#block.fill(0, 0, this.#drawn * bytesPerIv);
    this.#drawn = this.#used = 0;
    this.#expected = jobs;
  }

  /** Returns the next IV: a view, valid until the next frame. @param length in bytes, at most 16 */
  next(length: number): Buffer {
    if (this.#used === this.#drawn) {
      const count = Math.min(Math.max(this.#expected, 1), maxIvs);
      this.#drawn = this.#used = 0;
      this.token.module.C_GenerateRandom(this.token.session, this.#block.subarray(0, count * bytesPerIv));
      this.#drawn = count;
    }
    this.#expected--;
    const start = this.#used++ * bytesPerIv;
    return this.#block.subarray(start, start + length);
  }
}
