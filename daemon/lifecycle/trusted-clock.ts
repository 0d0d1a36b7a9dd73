// How far the wall clock can be trusted with what cannot be undone: deletions of keys, of expired key material, of wrapping
// keys. A clock that was stepped ahead makes every period seem over, so after a step, and after a time in which nobody
// watched the clock, nothing is destroyed until the daemon has watched it for long enough that people have noticed.
import { z } from 'zod';
import type { Records } from '../store/records/records.js';

const clockRecord = z.strictObject({
  /** Wall clock at the time of writing, in milliseconds since the epoch. */
  at: z.number(),
  /** Milliseconds of uptime after which the clock is trusted. */
  cautionLeft: z.number().nonnegative(),
});

const clockKey = 'observed-clock';

/** A gap between two starts, in milliseconds, past which the clock counts as unwatched. */
const longestGap = 3_600_000;
/**
 * How far wall clock and monotonic clock may come apart while the daemon runs, in milliseconds, steps of either sign
 * added up. Slewing moves both; leap seconds and small corrections stay below.
 */
const largestDrift = 60_000;

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

  /** @param cautionHours uptime after which a clock is trusted again; 0 trusts every clock */
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

  /** Epoch seconds, where the clock can be trusted with what cannot be undone. */
  get trustedNow(): number | undefined {
    const wall = this.#observe();
    return this.#cautionLeft > 0 ? undefined : wall / 1000;
  }

  /** Milliseconds of uptime until the clock is trusted; 0: it is. */
  get cautionLeft(): number {
    this.#observe();
    return this.#cautionLeft;
  }

  /** Makes what was observed durable, so that the next start knows how long nobody watched. */
  heartbeat(): Promise<void> {
    const record = { at: Date.now(), cautionLeft: Math.ceil(this.cautionLeft) };
    return this.records.commit([{ key: clockKey, value: JSON.stringify(record) }]);
  }

  /** @returns the wall clock that was looked at, in milliseconds */
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
