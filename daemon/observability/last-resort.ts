// Failures that nobody handled: the last resort, since every request, timer and watcher handles its own.
import type { Logger } from './log.js';

/**
 * Notes promises that were rejected and that nobody waits for. The daemon goes on: no reply and no acknowledged change
 * depends on a promise that nobody waits for, and one that ended the process would let a single request end the service.
 * An exception that nobody caught is another matter, since it may have left state half changed: see `main.ts`.
 * docs/decisions/unhandled-failures.md has the reasons.
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
      this.log.error({ err }, 'an internal failure was not handled');
    } catch {
      // What cannot be logged is counted all the same.
    }
  };

  /** For the health report. */
  get warnings(): string[] {
    if (this.#count === 0) return [];
    const failures = this.#count === 1 ? 'an internal failure was' : `${this.#count} internal failures were`;
    return [
      `${failures} not handled, the last at ${this.#latest}: see the log, report it, and restart the daemon when convenient`,
    ];
  }
}
