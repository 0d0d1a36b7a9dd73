// Decides whether the wall clock can be trusted for irreversible actions: deletions of keys, of expired key material and of
// wrapping keys. With a clock that was stepped ahead, every period seems to be over. So after a step, and after a time in
// which the daemon did not watch the clock, nothing is destroyed until the daemon has run long enough for people to notice.
import { z } from 'zod';
import type { Records } from '../store/records/records.js';

const clockRecord = z.strictObject({
  /** Wall clock at the time of writing, in milliseconds since the epoch. */
  at: z.number(),
  /** Milliseconds of uptime until the clock is trusted. */
  cautionLeft: z.number().nonnegative(),
});

const clockKey = 'observed-clock';

/** Downtime in milliseconds after which the clock counts as unwatched. */
const longestGap = 3_600_000;
/**
 * Maximum difference in milliseconds between the wall clock and the monotonic clock while the daemon runs; steps add up.
 * Slewing affects both clocks; leap seconds and small corrections stay below.
 */
const largestDrift = 60_000;

/** The wall clock, trusted or not. */
export class TrustedClock {
  #wall = Date.now();
  #monotonic = performance.now();
  #seen = this.#monotonic;
  #cautionLeft = 0;

  private constructor(
    private readonly records: Records,
    /** Milliseconds of uptime after which a clock is trusted again. */
    private readonly caution: number,
  ) {}

  /**
   * Compares the clock with the time of the last heartbeat.
   * @param cautionHours hours of uptime after which a clock is trusted again; 0 trusts every clock
   * @throws StoreError
   */
  static async open(records: Records, cautionHours: number): Promise<TrustedClock> {
    const clock = new TrustedClock(records, cautionHours * 3_600_000);
    const text = records.get(clockKey);
    if (text !== undefined) {
      const { at, cautionLeft } = clockRecord.parse(JSON.parse(text));
      const gap = clock.#wall - at;
      clock.#cautionLeft = Math.min(cautionLeft, clock.caution);
      if (gap > longestGap || gap < -largestDrift) clock.#beCautious();
    }
    await clock.heartbeat();
    return clock;
  }

  /** Epoch seconds if the clock can be trusted for irreversible actions, else undefined. */
  get trustedNow(): number | undefined {
    const wall = this.#observe();
    return this.#cautionLeft > 0 ? undefined : wall / 1000;
  }

  /** Milliseconds of uptime until the clock is trusted; 0 if it is. */
  get cautionLeft(): number {
    this.#observe();
    return this.#cautionLeft;
  }

  /** Stores the present time durably, so that the next start knows how long the clock was unwatched. @throws StoreError */
  heartbeat(): Promise<void> {
    const record = { at: Date.now(), cautionLeft: Math.ceil(this.cautionLeft) };
    return this.records.commit([{ key: clockKey, value: JSON.stringify(record) }]);
  }

  /** Checks for a step. @returns the wall clock in milliseconds */
  #observe(): number {
    const wall = Date.now();
    const monotonic = performance.now();
    this.#cautionLeft = Math.max(0, this.#cautionLeft - (monotonic - this.#seen));
    this.#seen = monotonic;
    const drift = wall - this.#wall - (monotonic - this.#monotonic);
    if (Math.abs(drift) <= largestDrift) return wall;
    this.#wall = wall;
    this.#monotonic = monotonic;
    this.#beCautious();
    return wall;
  }

  #beCautious(): void {
    this.#cautionLeft = this.caution;
  }
}
