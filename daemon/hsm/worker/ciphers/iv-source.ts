import type { Token } from '../token.js';

/** Bytes that are drawn for one IV: as many as the longest has. */
const DRAWN = 16;
const MOST_IVS = 128;

/**
 * Random IVs from the HSM, each handed out once. They are drawn for the rest of a frame at a time (SoftHSM: 1.3 µs
 * a call, whether 16 bytes or 2,000; a device on the network: a round trip) and none outlives its frame: a machine
 * that is put back to a snapshot must not use an IV twice.
 */
export class IvSource {
  private readonly block = Buffer.alloc(MOST_IVS * DRAWN);
  private drawn = 0;
  private used = 0;
  private expected = 0;

  constructor(private readonly token: Token) {}

  /** @param jobs how many jobs the frame holds */
  beginFrame(jobs: number): void {
    this.block.fill(0, 0, this.drawn * DRAWN);
    this.drawn = this.used = 0;
    this.expected = jobs;
  }

  /** A view that the caller wipes after use. @param length bytes, at most 16 */
  next(length: number): Buffer {
    if (this.used === this.drawn) {
      const count = Math.min(Math.max(this.expected, 1), MOST_IVS);
      this.drawn = this.used = 0;
      this.token.module.C_GenerateRandom(this.token.session, this.block.subarray(0, count * DRAWN));
      this.drawn = count;
    }
    this.expected--;
    const start = this.used++ * DRAWN;
    return this.block.subarray(start, start + length);
  }
}
