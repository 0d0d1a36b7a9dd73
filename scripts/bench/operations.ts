// The data path under load and with one request at a time, over the unix socket and over wss.
import { closeSync, fdatasync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '../../client/index.js';
import { CpuMeter } from './cpu-meter.js';
import { groupRows, SyncMeter } from './baselines/group-commit.js';
import { type EchoClient, EchoServer } from './baselines/echo-client.js';
import { Keyhold, type Transport } from './keyhold.js';
import { type Call, latencies, median, percentile, throughput } from './load/load.js';
import { type Operation, operationsOn } from './report/operation-table.js';
import { RawLoops } from './baselines/raw-loop.js';
import type { Goal, Row } from './report/report.js';
import { type SuiteOptions, UsageError } from './suite.js';

const connections = 16;
const inFlight = 32;
/** Microseconds that a single request may take in addition to the transport and the disk. */
const ownTime = 120;

/** Connections to Keyhold and to the echo server over one transport. */
interface Side {
  readonly over: Transport;
  readonly clients: readonly Client[];
  readonly echo: EchoServer;
  readonly echoClients: readonly EchoClient[];
}

/**
 * Measures throughput and latency, and in turn, in every round, the baselines: a plain PKCS#11 loop on the same token, a
 * WebSocket echo of the same frames, and one fdatasync.
 * @throws UsageError if `only` is not one of the operations
 */
export async function operationsSuite(options: SuiteOptions): Promise<Row[]> {
  const keyhold = await Keyhold.start(options.profile);
  const sides: Side[] = [];
  try {
    for (const over of options.over) sides.push(await sideOver(keyhold, over));
    const rows: Row[] = [];
    for (const operation of await chosenOperations(sides[0]!.clients[0]!, options.only))
      for (const side of sides) rows.push(...(await operationRows(keyhold, side, operation, options)));
    return rows;
  } finally {
    for (const { clients, echo, echoClients } of sides) {
      for (const client of echoClients) client.close();
      await Promise.all(clients.map((client) => client.close()));
      echo.stop();
    }
    await keyhold.stop();
  }
}

async function sideOver(keyhold: Keyhold, over: Transport): Promise<Side> {
  const each = Array.from({ length: connections });
  const echo = await EchoServer.start(keyhold, over);
  const clients = await Promise.all(each.map(() => keyhold.connect(over)));
  return { over, clients, echo, echoClients: await Promise.all(each.map(() => echo.connect())) };
}

async function chosenOperations(client: Client, only: string | undefined): Promise<Operation[]> {
  const all = await operationsOn(client);
  const chosen = all.filter(({ name }) => only === undefined || only === name);
  if (chosen.length === 0)
    throw new UsageError(`--only takes one of: ${all.map(({ name }) => name).join(', ')}.`);
  return chosen;
}

async function operationRows(
  keyhold: Keyhold,
  { over, clients, echoClients }: Side,
  operation: Operation,
  { time, rounds }: SuiteOptions,
): Promise<Row[]> {
  const raw = await RawLoops.start(keyhold, operation.raw, operation.label, operation.processes);
  const calls = clients.map((client) => operation.call(client));
  const echoCalls = echoClients.map((client) => client.call(operation.frame));
  const sync = appending(join(keyhold.home, 'fdatasync'));
  const loaded: number[] = [];
  const plain: number[] = [];
  const echoed: number[] = [];
  const cpu = new CpuMeter(() => {
    const { user, system } = process.cpuUsage();
    return { ...keyhold.cpu(), client: (user + system) / 1e6 };
  });
  const plainCpu = new CpuMeter(() => ({ loop: raw.cpu() }));
  const syncs = new SyncMeter(keyhold);
  const times: Record<'single' | 'echo' | 'sync', number[]> = { single: [], echo: [], sync: [] };
  try {
    await throughput(calls, inFlight, time / 4);
    for (let round = 0; round < rounds; round++) {
      plain.push(await plainCpu.during(() => raw.throughput(time)));
      loaded.push(await syncs.during(() => cpu.during(() => throughput(calls, inFlight, time))));
      echoed.push(await throughput(echoCalls, inFlight, time / 2));
      times.single.push(...(await latencies(calls[0]!, time / 2)));
      times.echo.push(...(await latencies(echoCalls[0]!, time / 4)));
      times.sync.push(...(await latencies(sync.call, time / 4)));
    }
  } finally {
    raw.stop();
    sync.close();
  }
  const toRaw = median(loaded.map((rate, round) => rate / plain[round]!));
  const toEcho = median(loaded.map((rate, round) => rate / echoed[round]!));
  const [echoTime, syncTime] = [percentile(times.echo, 0.5), percentile(times.sync, 0.5)];
  const [p50, p99] = [percentile(times.single, 0.5), percentile(times.single, 0.99)];
  const name = over === 'unix' ? operation.name : `${operation.name}-${over}`;
  const row = (rowName: string, value: number, unit: Row['unit'], goals: Goal[] = []): Row => {
    return { name: rowName, value, unit, ratio_to_raw: null, goals };
  };
  return [
    {
      ...row(`${name}-16x32`, median(loaded), 'op/s', rateGoals(operation, toRaw, toEcho)),
      ratio_to_raw: toRaw,
      ratio_to_echo: toEcho,
      cpu_us: cpu.perOperation(),
    },
    { ...row(`raw-${name}`, median(plain), 'op/s'), cpu_us: plainCpu.perOperation() },
    row(`ws-echo-${name}-16x32`, median(echoed), 'op/s'),
    row(
      `${name}-single-p50`,
      p50,
      'us',
      singleGoals(operation, 'us over echo and fdatasync', p50 - echoTime - syncTime, ownTime),
    ),
    row(`${name}-single-p99`, p99, 'us', singleGoals(operation, 'x p50', p99 / p50, 3)),
    row(`ws-echo-${name}-single-p50`, echoTime, 'us'),
    row(`fdatasync-${name}-p50`, syncTime, 'us'),
    row(`fdatasync-${name}-p99`, percentile(times.sync, 0.99), 'us'),
    ...groupRows(name, syncs, connections * inFlight),
  ];
}

function rateGoals({ toRaw, toEcho }: Operation, raw: number, echo: number): Goal[] {
  const goals: Goal[] = [{ measure: 'x raw', value: raw, bound: 'at least', limit: toRaw }];
  if (toEcho !== undefined) goals.push({ measure: 'x echo', value: echo, bound: 'at least', limit: toEcho });
  return goals;
}

function singleGoals({ isTimed }: Operation, measure: string, value: number, limit: number): Goal[] {
  return isTimed ? [{ measure, value, bound: 'at most', limit }] : [];
}

/** A call that appends and syncs a record of an audit event's size, as the audit log does for a single request. */
function appending(path: string): { readonly call: Call; close(): void } {
  const file = openSync(path, 'a');
  const record = Buffer.alloc(1_000, 0x20);
  const sync = promisify(fdatasync);
  return {
    call: () => {
      writeSync(file, record);
      return sync(file);
    },
    close: () => closeSync(file),
  };
}
