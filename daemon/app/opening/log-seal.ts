// Writes a root of the metadata store that names the newest records of the audit log, if no change has written one.
import type { Logger } from '../../observability/log.js';
import type { Records } from '../../store/records/records.js';

/**
 * Maximum milliseconds until a root names new records of the log: records after the last root could be cut off unnoticed.
 */
const interval = 20_000;

/** Keeps the root close to the end of the audit log. */
export class LogSeal {
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param sealed called after a root was written */
  constructor(
    private readonly records: Records,
    private readonly log: Logger,
    private readonly sealed: () => void,
  ) {}

  /** Call this when more records are durable. Returns at once. */
  request(): void {
    if (this.#timer || this.#closed) return;
    const age = Date.now() - (this.records.root?.at ?? 0) * 1000;
    const wait = Math.min(interval, Math.max(0, interval - age));
    this.#timer = setTimeout(() => {
      this.#seal().catch((error: unknown) => this.log.error({ err: error }, 'the root could not be written'));
    }, wait).unref();
  }

  /** Writes a last root; call this after the log is closed. @throws StoreError */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.records.commitRoot();
  }

  async #seal(): Promise<void> {
    this.#timer = undefined;
    // A change may have made a root meanwhile.
    const age = Date.now() - (this.records.root?.at ?? 0) * 1000;
    // If the clock was set back, the root's time may be in the future, and the age negative.
    if (age >= 0 && age < interval / 2) {
      this.request();
      return;
    }
    try {
      await this.records.commitRoot();
      this.sealed();
    } catch (error) {
      this.log.debug(
        { err: error },
        'the root could not be written; the next change or checkpoint tries again',
      );
    }
  }
}
