// The last resort for failures that no code handled. Every request, timer and watcher handles its own.
import type { Logger } from './log.js';

/**
 * Logs and counts unhandled rejections. The daemon continues: no reply and no acknowledged change depends on a promise that
 * nobody awaits, and if such a promise ended the process, a single request could stop the service. An uncaught exception does
 * end it, because it may leave state half changed. See docs/decisions/requests/unhandled-failures.md.
 */
export class UnhandledFailures {
  #count = 0;
  #latest = '';

  constructor(private readonly log: Logger) {}

  /** Handles `unhandledRejection` of the process. Never throws. */
  readonly note = (reason: unknown): void => {
    this.#count += 1;
    this.#latest = new Date().toISOString();
    try {
      const err = reason instanceof Error ? reason : new Error(String(reason));
      this.log.error({ err }, 'unhandled internal error');
    } catch {
      // Counted even if it cannot be logged.
    }
  };

  /** How many there were. */
  get count(): number {
    return this.#count;
  }

  /** For the health report. */
  get warnings(): string[] {
    if (this.#count === 0) return [];
    const errors =
      this.#count === 1 ? 'an unhandled internal error' : `${this.#count} unhandled internal errors`;
    return [
      `${errors}, the last at ${this.#latest}: see the log, report it, and restart the daemon when convenient`,
    ];
  }
}
