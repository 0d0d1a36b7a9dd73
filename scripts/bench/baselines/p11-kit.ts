// ECDSA signatures by 16 client processes, through Keyhold and through p11-kit's remote module on the same token, the other
// way in which programs can share a token.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, startChild } from '../child.js';
import { Keyhold } from '../keyhold.js';
import { median } from '../load/load.js';
import type { Row } from '../report/report.js';
import type { SigningRequest } from '../load/signing-client.js';
import { type SuiteOptions, UsageError } from '../suite.js';
import { softHsmLibrary } from './open-token.js';

const processes = 16;
/** Requests in flight per process. A PKCS#11 session has only one. */
const manyInFlight = 32;
const leastRatio = 4;
const module = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/pkcs11/p11-kit-client.so`;
const serverStart = 10_000;

/** Measures both in turn in every round. @throws UsageError if p11-kit's remote module is not installed */
export async function p11KitSuite({ time, rounds }: SuiteOptions): Promise<Row[]> {
  if (!existsSync(module))
    throw new UsageError('This suite needs the Debian packages p11-kit and p11-kit-modules.');
  const keyhold = await Keyhold.start();
  const clients: ChildProcess[] = [];
  let server: ChildProcess | undefined;
  try {
    const root = await keyhold.connect();
    const signing = { keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' } as const;
    const keyId = (await root.createKey(signing)).keyMetadata.keyId;
    await root.close();
    // Started after the key was created, because each process that the server forks reads the token only once.
    const address = join(keyhold.home, 'p11-kit.sock');
    server = await startServer(keyhold, address);
    const env = { ...keyhold.env, P11_KIT_SERVER_ADDRESS: `unix:path=${address}` };
    const remote = await startAll('baselines/raw', ['sign-ecdsa', `keyhold/${keyId}`, module], env, clients);
    const credentials = {
      AWS_ACCESS_KEY_ID: keyhold.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keyhold.credentials.secretAccessKey,
    };
    const own = await startAll(
      'load/signing-client',
      [keyhold.url, keyId],
      { ...process.env, ...credentials },
      clients,
    );
    const rates: Record<'remote' | 'single' | 'many', number[]> = { remote: [], single: [], many: [] };
    await together(own, { milliseconds: time / 4, inFlight: 1 });
    for (let round = 0; round < rounds; round++) {
      rates.remote.push(await together(remote, { milliseconds: time, inFlight: 1 }));
      rates.single.push(await together(own, { milliseconds: time, inFlight: 1 }));
      rates.many.push(await together(own, { milliseconds: time, inFlight: manyInFlight }));
    }
    const own1 = rowOf(`sign-ecdsa-p256-${processes}-processes`, rates.single, rates.remote);
    const own32 = rowOf(`sign-ecdsa-p256-${processes}-processes-x${manyInFlight}`, rates.many, rates.remote);
    const name = `p11-kit-sign-ecdsa-p256-${processes}-processes`;
    return [own1, own32, { name, value: median(rates.remote), unit: 'op/s', ratio_to_raw: null }];
  } finally {
    await Promise.all(clients.map(ended));
    if (server) await ended(server);
    await keyhold.stop();
  }
}

function rowOf(name: string, own: readonly number[], remote: readonly number[]): Row {
  const value = median(own.map((rate, round) => rate / remote[round]!));
  return {
    name,
    value: median(own),
    unit: 'op/s',
    ratio_to_raw: null,
    goals: [{ measure: 'x p11-kit', value, bound: 'at least', limit: leastRatio }],
  };
}

/**
 * Starts processes one after another: if many start together, p11-kit's server answers some with CKR_GENERAL_ERROR.
 * @param clients receives every process that was started
 */
async function startAll(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  clients: ChildProcess[],
): Promise<ChildProcess[]> {
  const started: ChildProcess[] = [];
  for (let number = 0; number < processes; number++) {
    const { child } = await startChild(name, args, env);
    started.push(child);
    clients.push(child);
  }
  return started;
}

async function together(clients: readonly ChildProcess[], request: SigningRequest): Promise<number> {
  const rates = await Promise.all(clients.map((client) => ask<number>(client, request)));
  return rates.reduce((sum, rate) => sum + rate, 0);
}

/** Starts p11-kit's server, which forks for each client. @throws Error if it does not start in time */
async function startServer({ env }: Keyhold, address: string): Promise<ChildProcess> {
  const args = [
    'server',
    '--foreground',
    '--provider',
    softHsmLibrary,
    '--name',
    address,
    'pkcs11:token=keyhold',
  ];
  const server = spawn('p11-kit', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const end = performance.now() + serverStart;
  while (!existsSync(address)) {
    if (performance.now() > end || server.exitCode !== null)
      throw new Error('p11-kit server did not start; see its output.');
    await sleep(20);
  }
  return server;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, 'exit');
}
