// A login latch in a file: it is set while the file exists.
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

/**
 * Makes the login latch of a key store.
 * @param home KEYHOLD_HOME; the file is latch/STORE.json in it
 * @param store name of the key store
 */
export function fileLatch(home: string, store: string): LoginLatch & { clear(): void } {
  const path = join(homePaths(home).latches, `${store}.json`);
  return {
    isSet: () => existsSync(path),
    // The content is searched, not parsed: a file that a crash truncated still latches.
    refusal() {
      try {
        return readFileSync(path, 'utf8').includes('"pin-locked"') ? 'pin-locked' : 'login-refused';
      } catch {
        // It was cleared meanwhile, or no file can be opened now. Only whether the latch is set matters.
        return 'login-refused';
      }
    },
    set(refusal, reason) {
      makeFolderSync(dirname(path));
      // Without a rename: only the existence of the file matters, whatever a crash leaves of its content.
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

/** Whether an error means that the token refused a login, so that no other login is tried. */
export function isRefusal(code: HsmErrorCode): code is LoginRefusal {
  return refusals.includes(code);
}

/**
 * Makes the message for an operator about a refused login.
 * @param store name of the key store
 * @param cause the token's error at that login
 */
export function refusalText(store: string, cause?: HsmError): string {
  return (
    `The token of key store "${store}" refused the PIN${cause ? ` (${cause.message})` : ''}; Keyhold ` +
    `does not log in again until an operator has corrected the PIN and run: keyhold login-retry ${store}`
  );
}
