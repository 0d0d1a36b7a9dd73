// The destination of the log. pino's own (sonic-boom 4.2) waits forever at the end of the process if nothing can be written:
// a daemon whose log is on a full disk could not be stopped.
import { write, writeSync } from 'node:fs';
import { isJournal, priorityPrefix } from './journal.js';

const standardError = 2;
/** Makes pino store the level of each line in `lastLevel` of its destination. */
const takesLevel: unique symbol = Symbol.for('pino.metadata');
/** Maximum number of bytes that wait; further lines are dropped. */
const mostWaiting = 4 * 1024 * 1024;
/** Milliseconds before a write to a slow reader is tried again. */
const pause = 100;
/** Attempts at the end of the process. */
const lastTries = 10;

/**
 * Writes lines to standard error through the thread pool, so that a full pipe or a hanging disk blocks nothing. Waiting lines
 * are written at the end of the process. Lines that cannot be written are lost, and nothing else is. In systemd's journal each
 * line begins with its priority.
 */
export class StandardError {
  #waiting: Buffer[] = [];
  #length = 0;
  /** A write is under way, or will be tried again. */
  #isBusy = false;
  readonly [takesLevel] = true;
  lastLevel = 0;
  readonly #isJournal = isJournal(standardError);

  constructor() {
    process.once('exit', () => this.flushSync());
  }

  /** Writes a line, without waiting. */
  write(line: string): void {
    const bytes = Buffer.from(this.#isJournal ? priorityPrefix(this.lastLevel) + line : line);
    if (this.#length + bytes.length > mostWaiting) return;
    this.#waiting.push(bytes);
    this.#length += bytes.length;
    if (!this.#isBusy) this.#next();
  }

  /** Writes the waiting lines now. Never throws, and takes at most a second. */
  flushSync(): void {
    let rest = this.#take();
    for (let tries = 0; rest.length > 0 && tries < lastTries;) {
      try {
        rest = rest.subarray(writeSync(standardError, rest));
      } catch (error) {
        if (!isSlowReader(error)) return;
        tries += 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
      }
    }
  }

  #next(): void {
    this.#isBusy = this.#waiting.length > 0;
    if (!this.#isBusy) return;
    const bytes = this.#take();
    write(standardError, bytes, (error, written) => {
      const isSlow = isSlowReader(error);
      const rest = error ? bytes : bytes.subarray(written);
      if ((isSlow || !error) && rest.length > 0) this.#putBack(rest);
      if (isSlow) setTimeout(() => this.#next(), pause).unref();
      else this.#next();
    });
  }

  #putBack(bytes: Buffer): void {
    this.#waiting.unshift(bytes);
    this.#length += bytes.length;
  }

  #take(): Buffer {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#length = 0;
    return bytes;
  }
}

function isSlowReader(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'EAGAIN';
}
