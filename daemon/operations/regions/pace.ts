// How fast another Region may change things here.

/** Changes a second of one Region. A rotation of a thousand keys takes 20 seconds. */
const changesPerSecond = 50;
/** Changes that a Region may make at once after a pause. */
const burst = 50;

/**
 * Spreads the changes that one Region asks for: they wait, instead of being refused, and how many can wait is limited by the
 * requests in flight on its connection. Otherwise a Region could fill audit log and disk as fast as these can be written.
 */
export class Pace {
  /** When the next change is due, in milliseconds of the monotonic clock. */
  #next = -Infinity;

  /** Waits until the next change may be made. */
  async turn(): Promise<void> {
    const interval = 1_000 / changesPerSecond;
    const now = performance.now();
    this.#next = Math.max(this.#next, now - burst * interval) + interval;
    const wait = this.#next - now;
    if (wait > 0) await new Promise((done) => setTimeout(done, wait));
  }
}
