// Moves the wall clock of a daemon, by libfaketime. Timers and the monotonic clock are not affected.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const library = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

export class MovableClock {
  readonly #file: string;

  /** @param home the daemon's home, in which a file contains the offset of the clock */
  constructor(home: string) {
    this.#file = join(home, 'clock');
    this.move('+0');
  }

  /** Moves the clock. @param offset from the machine's clock, such as `+8d` */
  move(offset: string): void {
    writeFileSync(`${this.#file}.new`, `${offset}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }

  /** Environment for the daemon, and for commands that must have the same time. */
  get env(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }
}
