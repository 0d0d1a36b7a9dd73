// Tokens for custom key stores: each is a SoftHSM2 with its own folder and profile.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../client/index.js';
import type { ConnectionStateType, CustomKeyStoresListEntry } from '../../proto/generated/messages.js';
import type { TestDaemon } from './daemon.js';
import { steadily } from './token.js';

const softHsm = '/usr/lib/softhsm/libsofthsm2.so';
const spy = '/usr/lib/x86_64-linux-gnu/pkcs11-spy.so';

export interface LabOptions {
  /** Letters; the name of token, folder and cluster. */
  readonly label: string;
  readonly workers?: number;
  /** Whether OpenSC's pkcs11-spy is between the workers and the module, to count logins. */
  readonly spied?: boolean;
  /** Whether the configuration names a file with the PIN. */
  readonly pinFile?: boolean;
}

/** A token, with its entry in the configuration. */
export class LabToken {
  readonly pin = '1234567-lab';
  readonly clusterId: string;
  readonly #folder: string;

  constructor(
    daemon: TestDaemon,
    readonly options: LabOptions,
  ) {
    const { label, spied } = options;
    this.clusterId = `cluster-${label.padEnd(11, '0')}`;
    this.#folder = join(daemon.home, 'tokens', label);
    mkdirSync(join(this.#folder, 'tokens'), { recursive: true });
    writeFileSync(
      join(this.#folder, 'softhsm2.conf'),
      `directories.tokendir = ${join(this.#folder, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`,
    );
    const { SOFTHSM2_CONF } = this.env;
    writeFileSync(
      join(daemon.home, `${label}.yaml`),
      `name: ${label}\nlibrary: ${spied ? spy : softHsm}\nenvironment:\n  SOFTHSM2_CONF: ${SOFTHSM2_CONF}\n` +
        (spied ? `  PKCS11SPY: ${softHsm}\n  PKCS11SPY_OUTPUT: ${join(this.#folder, 'spy.log')}\n` : ''),
    );
    const pins = ['--pin', this.pin, '--so-pin', '87654321'];
    execFileSync('softhsm2-util', ['--init-token', '--free', '--label', label, ...pins], {
      env: { ...process.env, ...this.env },
      stdio: 'ignore',
    });
    writeFileSync(this.pinFile, this.pin, { mode: 0o600 });
  }

  get env(): { SOFTHSM2_CONF: string } {
    return { SOFTHSM2_CONF: join(this.#folder, 'softhsm2.conf') };
  }

  get pinFile(): string {
    return join(this.#folder, 'pin');
  }

  /** Its entry under `clusters`. */
  get yaml(): string {
    const { label, workers = 2, pinFile } = this.options;
    return (
      `  ${this.clusterId}:\n    profile: ${label}.yaml\n    tokenLabel: ${label}\n    workers: ${workers}\n` +
      (pinFile ? `    pin:\n      file: ${this.pinFile}\n` : '')
    );
  }

  /** Removes the token, as if its device were unplugged, or puts it back. */
  hide(): void {
    this.#move('tokens', 'hidden');
  }

  restore(): void {
    this.#move('hidden', 'tokens');
  }

  #move(from: string, to: string): void {
    mkdirSync(join(this.#folder, to), { recursive: true });
    for (const name of readdirSync(join(this.#folder, from)))
      renameSync(join(this.#folder, from, name), join(this.#folder, to, name));
  }

  /** Logins that the module saw. */
  get logins(): number {
    const log = join(this.#folder, 'spy.log');
    return existsSync(log) ? (readFileSync(log, 'latin1').match(/: C_Login$/gm) ?? []).length : 0;
  }

  /** Runs OpenSC's pkcs11-tool on the token. @returns its output */
  tool(...args: string[]): string {
    const base = ['--module', softHsm, '--token-label', this.options.label, '--login', '--pin', this.pin];
    return execFileSync('pkcs11-tool', [...base, ...args], {
      env: { ...process.env, ...this.env },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString();
  }

  /** Labels of its objects, sorted. */
  get labels(): string[] {
    return [...steadily(() => this.tool('--list-objects')).matchAll(/^ +label: +(.*)$/gm)]
      .map(([, label]) => label!)
      .sort();
  }

  /** Processes with this token in their environment: the workers of its store. */
  get workers(): number[] {
    const wanted = `SOFTHSM2_CONF=${this.env.SOFTHSM2_CONF}\0`;
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && environmentOf(pid).includes(wanted));
  }
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}

/** Creates tokens and adds them to the configuration of a daemon that is not running yet. */
export function addTokens(daemon: TestDaemon, ...all: LabOptions[]): LabToken[] {
  const tokens = all.map((options) => new LabToken(daemon, options));
  daemon.configure(`clusters:\n${tokens.map(({ yaml }) => yaml).join('')}`);
  return tokens;
}

/** Creates a custom key store without connecting it. @returns its ID */
export async function createStore(
  client: Client,
  token: LabToken,
  changes: { customKeyStoreName?: string; keyStorePassword?: string } = {},
): Promise<string> {
  const { customKeyStoreId } = await client.createCustomKeyStore({
    customKeyStoreName: token.options.label,
    cloudHsmClusterId: token.clusterId,
    trustAnchorCertificate: 'trust anchor',
    keyStorePassword: token.pin,
    ...changes,
  });
  return customKeyStoreId;
}

export async function describeStore(
  client: Client,
  customKeyStoreId: string,
): Promise<CustomKeyStoresListEntry> {
  return (await client.describeCustomKeyStores({ customKeyStoreId })).customKeyStores[0]!;
}

/** Waits until a store is in a state. @returns whether it got there in time */
export async function reaches(
  client: Client,
  customKeyStoreId: string,
  state: ConnectionStateType,
  within = 30_000,
): Promise<boolean> {
  for (const end = Date.now() + within; Date.now() < end; await sleep(50))
    if ((await describeStore(client, customKeyStoreId)).connectionState === state) return true;
  return false;
}

/** Creates and connects a store. @returns its ID @throws Error if it does not connect */
export async function connectedStore(client: Client, token: LabToken): Promise<string> {
  const customKeyStoreId = await createStore(client, token);
  await client.connectCustomKeyStore({ customKeyStoreId });
  if (await reaches(client, customKeyStoreId, 'CONNECTED')) return customKeyStoreId;
  throw new Error(JSON.stringify(await describeStore(client, customKeyStoreId)));
}
