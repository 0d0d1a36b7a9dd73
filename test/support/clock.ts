// A daemon whose wall clock the test moves, by libfaketime. Timers and the monotonic clock stay as they are.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const library = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

export class MovableClock {
  readonly #file: string;

  /** @param home folder in which the file lies that says by how much the clock is ahead: the daemon's */
  constructor(home: string) {
    this.#file = join(home, 'clock');
    this.move('+0');
  }

  /** @param offset from the machine's clock, such as `+8d` */
  move(offset: string): void {
    writeFileSync(`${this.#file}.new`, `${offset}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }

  /** Environment for the daemon, and for commands that have to live in its time. */
  get env(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }
}
