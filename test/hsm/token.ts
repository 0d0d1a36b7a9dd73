// A SoftHSM token for one test, and a key store on it.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Session, SessionObject } from 'graphene-pk11';
import pkcs11 from 'pkcs11js';
import type { Test } from 'tap';
import type { KeyStoreConfig } from '../../daemon/hsm/pool/config.js';
import type { KeyStoreEvent } from '../../daemon/hsm/key-store-event.js';
import { connect } from '../../daemon/hsm/pool/connect.js';
import { fileLatch } from '../../daemon/hsm/pool/latch.js';
import type { KeyStore, KeyTemplate, ObjectId } from '../../daemon/hsm/key-store.js';
import { openTokenSession, softHsmLibrary } from '../support/pkcs11-session.js';

export const LIBRARY = softHsmLibrary;
export const SPY = '/usr/lib/x86_64-linux-gnu/pkcs11-spy.so';
export const PIN = '1234-användare';
export const SO_PIN = '87654321';

export interface TestToken {
  readonly home: string;
  readonly label: string;
  readonly env: Record<string, string>;
  /** A configuration for this token with one worker and the right PIN. */
  config(changes?: Partial<KeyStoreConfig>): KeyStoreConfig;
}

let made = 0;

/** Creates a token in a temporary folder, which is removed when the test ends. @param folder parent of that folder */
export function makeToken(t: Test, folder = tmpdir()): TestToken {
  const home = mkdtempSync(join(folder, 'keyhold-hsm-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  const env = { SOFTHSM2_CONF: join(home, 'softhsm2.conf') };
  mkdirSync(join(home, 'tokens'));
  writeFileSync(
    env.SOFTHSM2_CONF,
    `directories.tokendir = ${join(home, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  const label = `test-${process.pid}-${++made}`;
  initializeToken(env, label);
  return {
    home,
    label,
    env,
    config: (changes) => ({
      name: 'test',
      library: LIBRARY,
      token: { label },
      env,
      workers: 1,
      readPin: () => Promise.resolve(Buffer.from(PIN)),
      latch: fileLatch(home, 'test'),
      ...changes,
    }),
  };
}

export function initializeToken(env: Record<string, string>, label: string): void {
  execFileSync(
    'softhsm2-util',
    ['--init-token', '--free', '--label', label, '--pin', PIN, '--so-pin', SO_PIN],
    { env: { ...process.env, ...env }, stdio: 'ignore' },
  );
}

/** Connects a key store, collects its events, and closes it when the test ends. */
export async function connectTo(
  t: Test,
  token: TestToken,
  changes?: Partial<KeyStoreConfig>,
): Promise<{ store: KeyStore; events: KeyStoreEvent[] }> {
  const events: KeyStoreEvent[] = [];
  const store = await connect(token.config({ onEvent: (event) => events.push(event), ...changes }));
  t.teardown(() => store.close());
  return { store, events };
}

export function pids(events: readonly KeyStoreEvent[]): number[] {
  return events.flatMap((event) => (event.type === 'worker-ready' ? [event.pid] : []));
}

export const AES_256: KeyTemplate = {
  mechanism: pkcs11.CKM_AES_KEY_GEN,
  attributes: [
    [pkcs11.CKA_VALUE_LEN, 32],
    [pkcs11.CKA_ENCRYPT, true],
    [pkcs11.CKA_DECRYPT, true],
  ],
};

export const P_256: KeyTemplate = {
  mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN,
  attributes: [[pkcs11.CKA_SIGN, true]],
  publicAttributes: [
    [pkcs11.CKA_VERIFY, true],
    [pkcs11.CKA_EC_PARAMS, '06082a8648ce3d030107'],
  ],
};

export async function newKey(store: KeyStore, template = AES_256): Promise<ObjectId> {
  const id = randomBytes(16);
  await store.generate(id, `keyhold/${id.toString('hex')}`, template);
  return id;
}

/** Opens a session as another program that shares the token, with a function that finds objects by CKA_ID. */
export function openSession(
  t: Test,
  token: TestToken,
): { readonly session: Session; readonly find: (id: Buffer) => SessionObject[] } {
  const configuration = token.env.SOFTHSM2_CONF!;
  const session = openTokenSession(t, { configuration, label: token.label, pin: PIN });
  return { session, find: (id) => [...session.find({ id })] };
}

/** Waits until a condition is true. @throws Error if it is not in time */
export async function until(condition: () => boolean, milliseconds = 20_000): Promise<void> {
  const end = Date.now() + milliseconds;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Not within ${milliseconds} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
