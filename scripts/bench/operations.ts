// The data path: Encrypt, Decrypt and GenerateDataKey, loaded and one at a time.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fdatasync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '../../client/index.js';
import { encodeRequest, operationShape } from '../../proto/codec.js';
import { EchoClient } from './echo-client.js';
import { Keyhold, script } from './keyhold.js';
import { type Call, latencies, median, percentile, throughput } from './load.js';
import type { RawRequest } from './raw.js';
import type { Row } from './report.js';
import { type SuiteOptions, UsageError } from './suite.js';

const connections = 16;
const inFlight = 32;

interface Operation {
  readonly name: string;
  readonly raw: RawRequest['operation'];
  call(client: Client): Call;
}

/**
 * Throughput and latency over the unix socket, beside a plain PKCS#11 loop on the same token, a WebSocket echo and one
 * fdatasync.
 */
export async function operationsSuite(options: SuiteOptions): Promise<Row[]> {
  const { time } = options;
  const keyhold = await Keyhold.start(options.profile);
  const clients = await Promise.all(Array.from({ length: connections }, () => keyhold.connect()));
  const keyId = (await clients[0]!.createKey({})).keyMetadata!.keyId!;
  const raw = await child('raw', [`keyhold/${keyId}`], keyhold.env);
  const echoPath = join(keyhold.home, 'echo.sock');
  const echo = await child('echo', [echoPath], process.env);
  const echoClients = await Promise.all(
    Array.from({ length: connections }, () => EchoClient.connect(echoPath)),
  );
  try {
    return [
      ...(await operationRows(
        clients,
        raw,
        await chosenOperations(clients[0]!, keyId, options.only),
        options,
      )),
      ...(await echoRows(echoClients, keyId, time)),
      ...(await fdatasyncRows(keyhold.home, time)),
    ];
  } finally {
    for (const client of echoClients) client.close();
    await Promise.all(clients.map((client) => client.close()));
    raw.kill();
    echo.kill();
    await keyhold.stop();
  }
}

async function chosenOperations(
  client: Client,
  keyId: string,
  only: string | undefined,
): Promise<Operation[]> {
  const all = await operationsOn(client, keyId);
  const chosen = all.filter(({ name }) => only === undefined || only === name);
  if (chosen.length === 0)
    throw new UsageError(`--only takes one of: ${all.map(({ name }) => name).join(', ')}.`);
  return chosen;
}

async function operationsOn(client: Client, keyId: string): Promise<Operation[]> {
  const plaintext = Buffer.alloc(64, 1);
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
  return [
    { name: 'encrypt-64', raw: 'encrypt', call: (c) => () => c.encrypt({ keyId, plaintext }) },
    { name: 'decrypt-64', raw: 'decrypt', call: (c) => () => c.decrypt({ ciphertextBlob }) },
    {
      name: 'generate-data-key',
      raw: 'data-key',
      call: (c) => () => c.generateDataKey({ keyId, keySpec: 'AES_256' }),
    },
  ];
}

async function operationRows(
  clients: readonly Client[],
  raw: ChildProcess,
  operations: readonly Operation[],
  { time, rounds }: SuiteOptions,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const operation of operations) {
    const calls = clients.map((client) => operation.call(client));
    await throughput(calls, inFlight, time / 4);
    const loaded: number[] = [];
    const plain: number[] = [];
    const ratios: number[] = [];
    const single: number[] = [];
    for (let round = 0; round < rounds; round++) {
      plain.push(await rawThroughput(raw, operation.raw, time));
      loaded.push(await throughput(calls, inFlight, time));
      ratios.push(loaded[round]! / plain[round]!);
      single.push(...(await latencies(calls[0]!, time / 2)));
    }
    const { name } = operation;
    rows.push(
      { name: `${name}-16x32`, value: median(loaded), unit: 'op/s', ratio_to_raw: median(ratios) },
      { name: `${name}-single-p50`, value: percentile(single, 0.5), unit: 'us', ratio_to_raw: null },
      { name: `${name}-single-p99`, value: percentile(single, 0.99), unit: 'us', ratio_to_raw: null },
      { name: `raw-${name}`, value: median(plain), unit: 'op/s', ratio_to_raw: null },
    );
  }
  return rows;
}

async function echoRows(clients: readonly EchoClient[], keyId: string, time: number): Promise<Row[]> {
  const frame = encodeRequest(1, 30_000, operationShape('Encrypt'), {
    keyId,
    plaintext: Buffer.alloc(64, 1),
  });
  const calls = clients.map((client) => client.call(frame));
  const loaded = await throughput(calls, inFlight, time);
  const single = await latencies(calls[0]!, time / 2);
  return [
    { name: 'ws-echo-16x32', value: loaded, unit: 'op/s', ratio_to_raw: null },
    { name: 'ws-echo-single-p50', value: percentile(single, 0.5), unit: 'us', ratio_to_raw: null },
  ];
}

/** One record of the size of an audit event, appended and synced, as the audit log does for a single request. */
async function fdatasyncRows(home: string, time: number): Promise<Row[]> {
  const file = openSync(join(home, 'fdatasync'), 'a');
  const record = Buffer.alloc(1_000, 0x20);
  const sync = promisify(fdatasync);
  const times = await latencies(() => {
    writeSync(file, record);
    return sync(file);
  }, time / 2);
  closeSync(file);
  return [{ name: 'fdatasync-p50', value: percentile(times, 0.5), unit: 'us', ratio_to_raw: null }];
}

async function child(name: string, args: string[], env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const started = fork(script(name), args, { env });
  await once(started, 'message');
  return started;
}

async function rawThroughput(
  raw: ChildProcess,
  operation: RawRequest['operation'],
  time: number,
): Promise<number> {
  const request: RawRequest = { operation, milliseconds: time };
  raw.send(request);
  return ((await once(raw, 'message')) as [number])[0];
}
