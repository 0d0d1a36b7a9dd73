// The cost of many keys: two daemons side by side, one with ten keys and one with many, measured in turn.
import type { Client } from '../../client/index.js';
import { startChild } from './child.js';
import { Keyhold } from './keyhold.js';
import { type Call, latencies, median, percentile, throughput } from './load/load.js';
import type { Goal, Row } from './report/report.js';
import type { SuiteOptions } from './suite.js';

const fewKeys = 10;
/** Goal: most milliseconds from a start to the first answer. */
const longestStart = 5_000;
const connections = 4;
const inFlight = 8;
const plaintext = Buffer.alloc(64, 1);

interface Side {
  readonly keyhold: Keyhold;
  readonly clients: readonly Client[];
  readonly keyIds: readonly string[];
}

interface Measurement {
  readonly name: string;
  readonly call: (side: Side) => (client: Client) => Call;
}

const measurements: readonly Measurement[] = [
  {
    name: 'create-key',
    call: () => (client) => () => client.createKey({}),
  },
  {
    name: 'describe-key',
    call: (side) => (client) => () => client.describeKey({ keyId: anyKey(side) }),
  },
  {
    name: 'encrypt',
    call: (side) => (client) => () => client.encrypt({ keyId: anyKey(side), plaintext }),
  },
];

/**
 * Measures creating a key, describing and encrypting with a random one, the start, and resident memory, with ten keys and
 * with many. The ratios are those of the time that an operation takes.
 */
export async function scaleSuite({ time, rounds, keys, profile }: SuiteOptions): Promise<Row[]> {
  const few = await sideWith(fewKeys);
  const many = await sideWith(keys);
  try {
    const rows: Row[] = [];
    for (const measurement of measurements) {
      rows.push(...(await compare(measurement, few, many, time, rounds)));
    }
    return [...rows, ...(await startRows(few, many, rounds, profile)), ...memoryRows(few, many)];
  } finally {
    await few.keyhold.stop();
    await many.keyhold.stop();
  }
}

async function sideWith(count: number): Promise<Side> {
  const keyhold = await Keyhold.start();
  const clients = await Promise.all(Array.from({ length: connections }, () => keyhold.connect()));
  const keyIds: string[] = [];
  let left = count;
  const maker = async (client: Client) => {
    while (left-- > 0) keyIds.push((await client.createKey({})).keyMetadata.keyId);
  };
  await Promise.all(clients.map(maker));
  // Each key is used once, so that no first use is measured.
  await Promise.all(keyIds.map((keyId) => clients[0]!.encrypt({ keyId, plaintext })));
  return { keyhold, clients, keyIds };
}

async function compare(
  { name, call }: Measurement,
  few: Side,
  many: Side,
  time: number,
  rounds: number,
): Promise<Row[]> {
  const seen = { few: [] as number[], many: [] as number[], ratios: [] as number[] };
  const single = { few: [] as number[], many: [] as number[], ratios: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const loadedFew = await throughput(few.clients.map(call(few)), inFlight, time);
    const loadedMany = await throughput(many.clients.map(call(many)), inFlight, time);
    seen.few.push(loadedFew);
    seen.many.push(loadedMany);
    seen.ratios.push(loadedFew / loadedMany);
    const p50Few = percentile(await latencies(call(few)(few.clients[0]!), time / 2), 0.5);
    const p50Many = percentile(await latencies(call(many)(many.clients[0]!), time / 2), 0.5);
    single.few.push(p50Few);
    single.many.push(p50Many);
    single.ratios.push(p50Many / p50Few);
  }
  const count = many.keyIds.length;
  return [
    { name: `${name}-${fewKeys}-keys`, value: median(seen.few), unit: 'op/s', ratio_to_raw: null },
    {
      name: `${name}-${count}-keys`,
      value: median(seen.many),
      unit: 'op/s',
      ratio_to_raw: null,
      ratio_to_few: median(seen.ratios),
    },
    { name: `${name}-${fewKeys}-keys-single-p50`, value: median(single.few), unit: 'us', ratio_to_raw: null },
    {
      name: `${name}-${count}-keys-single-p50`,
      value: median(single.many),
      unit: 'us',
      ratio_to_raw: null,
      ratio_to_few: median(single.ratios),
    },
  ];
}

/**
 * Measures starts, in turn with one enumeration of the token.
 * @param profile folder for a CPU profile of one more start
 */
async function startRows(few: Side, many: Side, rounds: number, profile: string | undefined): Promise<Row[]> {
  for (const client of [...few.clients, ...many.clients]) await client.close();
  const rows: Row[] = [];
  for (const { keyhold, keyIds } of [few, many]) {
    const times: number[] = [];
    const enumerations: number[] = [];
    for (let round = 0; round < rounds; round++) {
      times.push(await keyhold.restart());
      enumerations.push((await startChild('baselines/enumerate', [], keyhold.env)).said as number);
    }
    const value = median(times);
    const goals: Goal[] = [{ measure: 'ms', value, bound: 'at most', limit: longestStart }];
    const count = keyIds.length;
    rows.push(
      { name: `start-${count}-keys`, value, unit: 'ms', ratio_to_raw: null, goals },
      { name: `enumeration-${count}-keys`, value: median(enumerations), unit: 'ms', ratio_to_raw: null },
    );
  }
  // The profile is written when that daemon ends.
  if (profile !== undefined) await many.keyhold.restart(profile);
  return rows;
}

/** Measures memory after a start, when every worker has read the token. */
function memoryRows(few: Side, many: Side): Row[] {
  return [few, many].flatMap(({ keyhold, keyIds }): Row[] => {
    const { daemon, workers } = keyhold.memory();
    const megabytes = (bytes: number) => bytes / 1024 / 1024;
    const count = keyIds.length;
    return [
      { name: `daemon-memory-${count}-keys`, value: megabytes(daemon), unit: 'MB', ratio_to_raw: null },
      { name: `worker-memory-${count}-keys`, value: megabytes(workers), unit: 'MB', ratio_to_raw: null },
    ];
  });
}

function anyKey({ keyIds }: Side): string {
  return keyIds[Math.floor(Math.random() * keyIds.length)]!;
}
