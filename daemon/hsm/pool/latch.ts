// A login latch that is a file: it is set while the file is there.
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolderSync, syncFolderSync } from '../../files/replace-file.js';
import type { HsmError, HsmErrorCode } from '../key-store.js';
import type { LoginLatch } from './config.js';
import type { LoginRefusal } from '../key-store-event.js';
import { homePaths } from '../../files/home.js';

const latchFile = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

/** @param home KEYHOLD_HOME; the file is latch/STORE.json in it */
export function fileLatch(home: string, store: string): LoginLatch & { clear(): void } {
  const path = join(homePaths(home).latches, `${store}.json`);
  return {
    isSet: () => existsSync(path),
    // The code is a word in JSON: a file that a crash cut short still latches.
    refusal() {
      try {
        return readFileSync(path, 'utf8').includes('"pin-locked"') ? 'pin-locked' : 'login-refused';
      } catch {
        // It was cleared meanwhile, or no file can be opened now; the latch itself is what counts.
        return 'login-refused';
      }
    },
    set(refusal, reason) {
      makeFolderSync(dirname(path));
      // Not by a rename: what counts is that the file is there, whatever of its content a crash leaves.
      const file = openSync(path, latchFile, 0o600);
      try {
        writeSync(file, `${JSON.stringify({ time: new Date().toISOString(), refusal, reason })}\n`);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      syncFolderSync(dirname(path));
    },
    clear() {
      rmSync(path, { force: true });
      if (existsSync(dirname(path))) syncFolderSync(dirname(path));
    },
  };
}

const refusals: readonly HsmErrorCode[] = ['login-refused', 'pin-locked'] satisfies LoginRefusal[];

/** Whether an error says that the token refused a login: no other is tried then. */
export function isRefusal(code: HsmErrorCode): code is LoginRefusal {
  return refusals.includes(code);
}

/**
 * What an operator is told of a refused login.
 * @param store name of the key store
 * @param cause what the token said, at the login that it refused
 */
export function refusalText(store: string, cause?: HsmError): string {
  return (
    `The token of key store "${store}" refused the PIN${cause ? ` (${cause.message})` : ''}; no login is ` +
    `tried again until an operator has put the PIN right and run: keyhold login-retry ${store}`
  );
}
