// A login latch that is a file: it is set while the file is there.
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { LoginLatch } from './config.js';

/** @param home KEYHOLD_HOME; the file is latch/STORE.json in it */
export function fileLatch(home: string, store: string): LoginLatch & { clear(): void } {
  const path = join(home, 'latch', `${store}.json`);
  return {
    isSet: () => existsSync(path),
    // The code is a word in JSON: a file that a crash cut short still latches.
    refusal: () => (readFileSync(path, 'utf8').includes('"pin-locked"') ? 'pin-locked' : 'login-refused'),
    set(refusal, reason) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      const file = openSync(path, 'w', 0o600);
      writeSync(file, `${JSON.stringify({ time: new Date().toISOString(), refusal, reason })}\n`);
      fsyncSync(file);
      closeSync(file);
      syncFolder(dirname(path));
      syncFolder(home);
    },
    clear() {
      rmSync(path, { force: true });
      if (existsSync(dirname(path))) syncFolder(dirname(path));
    },
  };
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  fsyncSync(folder);
  closeSync(folder);
}
