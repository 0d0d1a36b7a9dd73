// The objects of a daemon's token, as other programs see them.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestDaemon } from './daemon.js';

/** Runs OpenSC's pkcs11-tool on the daemon's token. @returns its output */
export function pkcs11Tool(daemon: TestDaemon, ...args: string[]): string {
  const pin = readFileSync(join(daemon.home, 'tokens/pin'), 'utf8');
  const module = '/usr/lib/softhsm/libsofthsm2.so';
  const base = ['--module', module, '--token-label', 'keyhold', '--login', '--pin', pin];
  const env = { ...daemon.env, SOFTHSM2_CONF: join(daemon.home, 'tokens/softhsm2.conf') };
  return execFileSync('pkcs11-tool', [...base, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString();
}

const anchorPrefix = 'keyhold/internal/anchor/';

/** Labels of the token's objects, sorted; without the anchor, whose time is not predictable. */
export function labels(daemon: TestDaemon): string[] {
  return allLabels(daemon).filter((label) => !label.startsWith(anchorPrefix));
}

/** CKA_LABELs of the anchors in the token. */
export function anchorLabels(daemon: TestDaemon): string[] {
  return allLabels(daemon).filter((label) => label.startsWith(anchorPrefix));
}

function allLabels(daemon: TestDaemon): string[] {
  const listed = steadily(() => pkcs11Tool(daemon, '--list-objects'));
  return [...listed.matchAll(/^ +label: +'?(.*?)'?$/gm)].map(([, label]) => label!).sort();
}

/** Repeats a listing by pkcs11-tool that failed because an object was destroyed between finding and reading it. */
export function steadily(list: () => string): string {
  for (let tries = 1; ; tries++) {
    try {
      return list();
    } catch (error) {
      if (tries === 10) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
}

/** Token objects of a symmetric material, in the suite that the test's profile chooses. */
export const objectsOfMaterial = process.env.KEYHOLD_TEST_PROFILE === 'suite: 2' ? 2 : 1;

/** How many object files SoftHSM keeps for the daemon's token. */
export function objectFiles(daemon: TestDaemon): number {
  return readdirSync(join(daemon.home, 'tokens'), { recursive: true }).filter((name) =>
    String(name).endsWith('.object'),
  ).length;
}
