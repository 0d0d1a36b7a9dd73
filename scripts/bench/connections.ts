// The cost of connections: the memory of a thousand idle ones, compared with those of a bare `ws` server, and whether a
// thousand busy ones get fair shares.
import type { Client } from '../../client/index.js';
import { EchoServer } from './baselines/echo-client.js';
import { Keyhold, probe, proportionalBytes, type Transport } from './keyhold.js';
import { median } from './load/load.js';
import type { Probed } from './probe.js';
import type { Goal, Row } from './report/report.js';
import type { SuiteOptions } from './suite.js';

const count = 1_000;
/** Connections opened before the measurement, so that code is compiled and pools have grown. */
const warming = 200;
const atOnce = 20;
/** Goal: most bytes of the daemon for each idle connection over the unix socket. */
const most = 25 * 1024;
const mostToReference = 1.3;
const leastShare = 0.5;

/** A connection that has had one answer. */
interface Closable {
  close(): unknown;
}

/** Bytes for each connection: growth of the process's proportional set size, and of V8's heap and buffers. */
interface Cost {
  readonly process: number;
  readonly heap: number;
}

/** Measures the memory of idle connections and the shares of busy ones, over each transport. */
export async function connectionsSuite({ over, time, rounds }: SuiteOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const transport of over) rows.push(...(await idleRows(transport)));
  for (const transport of over) rows.push(...(await busyRows(transport, time * rounds)));
  return rows;
}

async function idleRows(over: Transport): Promise<Row[]> {
  const keyhold = await Keyhold.start();
  const echo = await EchoServer.start(keyhold, over);
  try {
    const own = await costOf(
      async () => {
        const client = await keyhold.connect(over);
        await client.generateRandom({ numberOfBytes: 64 });
        return client;
      },
      () => keyhold.probe('memory'),
      keyhold.pid,
    );
    const bare = await costOf(
      async () => {
        const client = await echo.connect();
        await client.call(Buffer.alloc(64))();
        return client;
      },
      () => probe(echo.child, 'memory'),
      echo.child.pid!,
    );
    const kilobytes = own.process / 1024;
    const goal: Goal =
      over === 'unix'
        ? { measure: 'KB each', value: kilobytes, bound: 'at most', limit: most / 1024 }
        : {
            measure: 'x bare ws',
            value: own.process / bare.process,
            bound: 'at most',
            limit: mostToReference,
          };
    return [
      { ...row(`idle-connection-${over}`, kilobytes, 'KB'), goals: [goal] },
      row(`idle-connection-${over}-heap-and-buffers`, own.heap / 1024, 'KB'),
      row(`bare-ws-idle-connection-${over}`, bare.process / 1024, 'KB'),
      row(`bare-ws-idle-connection-${over}-heap-and-buffers`, bare.heap / 1024, 'KB'),
    ];
  } finally {
    echo.stop();
    await keyhold.stop();
  }
}

async function costOf(
  open: () => Promise<Closable>,
  asked: () => Promise<Probed>,
  pid: number,
): Promise<Cost> {
  const memory = async () => {
    const { heap, external } = await asked();
    return { process: proportionalBytes(pid), heap: heap + external };
  };
  const opened = await openMany(open, warming);
  const before = await memory();
  opened.push(...(await openMany(open, count)));
  const after = await memory();
  await Promise.all(opened.map((each) => each.close()));
  return { process: (after.process - before.process) / count, heap: (after.heap - before.heap) / count };
}

async function openMany<T>(open: () => Promise<T>, number: number): Promise<T[]> {
  const opened: T[] = [];
  while (opened.length < number)
    opened.push(
      ...(await Promise.all(Array.from({ length: Math.min(atOnce, number - opened.length) }, open))),
    );
  return opened;
}

/** Measures a thousand connections with one Encrypt in flight each. */
async function busyRows(over: Transport, milliseconds: number): Promise<Row[]> {
  const keyhold = await Keyhold.start();
  try {
    const clients = await openMany(() => keyhold.connect(over), count);
    const { keyMetadata } = await clients[0]!.createKey({});
    const calls = callsOf(clients, keyMetadata.keyId);
    await shares(calls, milliseconds / 4);
    const begun = performance.now();
    const done = await shares(calls, milliseconds);
    const seconds = (performance.now() - begun) / 1_000;
    const rate = done.reduce((sum, each) => sum + each, 0) / seconds;
    const slowest = Math.min(...done) / median(done);
    await Promise.all(clients.map((client) => client.close()));
    return [
      row(`busy-connections-${over}`, rate, 'op/s'),
      {
        ...row(`busy-connections-${over}-median`, median(done) / seconds, 'op/s'),
        goals: [{ measure: 'x median by the slowest', value: slowest, bound: 'at least', limit: leastShare }],
      },
    ];
  } finally {
    await keyhold.stop();
  }
}

function callsOf(clients: readonly Client[], keyId: string) {
  const plaintext = Buffer.alloc(64, 1);
  return clients.map((client) => () => client.encrypt({ keyId, plaintext }));
}

/** Repeats every call for a time. @returns number of completed calls by client */
async function shares(calls: readonly (() => Promise<unknown>)[], milliseconds: number): Promise<number[]> {
  const end = performance.now() + milliseconds;
  return Promise.all(
    calls.map(async (call) => {
      let done = 0;
      for (; performance.now() < end; done++) await call();
      return done;
    }),
  );
}

function row(name: string, value: number, unit: Row['unit']): Row {
  return { name, value, unit, ratio_to_raw: null };
}
