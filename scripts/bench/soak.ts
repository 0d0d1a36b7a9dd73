// Whether memory, file descriptors and handles stay constant under a mixed load at a moderate rate.
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../client/index.js';
import { Keyhold, residentBytes } from './keyhold.js';
import { percentile } from './load/load.js';
import type { Row } from './report/report.js';
import type { SuiteOptions } from './suite.js';
import { growth } from './report/trend.js';

const connections = 8;
/** Requests per second over all connections. */
const rate = 400;
const sampleEvery = 10_000;
const megabyte = 1024 * 1024;

/** The watched figures, and by how much each may grow over the second half, to allow for the garbage collector. */
const watched = {
  'daemon-resident': { unit: 'MB', slack: 8 },
  'daemon-heap': { unit: 'MB', slack: 1 },
  'daemon-external': { unit: 'MB', slack: 1 },
  'daemon-descriptors': { unit: '', slack: 1 },
  'daemon-handles': { unit: '', slack: 1 },
  'workers-resident': { unit: 'MB', slack: 8 },
  'workers-descriptors': { unit: '', slack: 1 },
} as const satisfies Record<string, { unit: Row['unit']; slack: number }>;

type Sample = Readonly<Record<keyof typeof watched, number>>;

/** Runs the load, and measures how much each watched figure grows over the second half. */
export async function soakSuite({ minutes }: SuiteOptions): Promise<Row[]> {
  const keyhold = await Keyhold.start();
  try {
    const clients = await Promise.all(Array.from({ length: connections }, () => keyhold.connect()));
    const load = new MixedLoad(keyhold, await keysOf(clients[0]!));
    const lanes = clients.map((client) => load.run(client));
    const samples: Sample[] = [];
    const begun = performance.now();
    const end = begun + minutes * 60_000;
    while (performance.now() < end) {
      await sleep(sampleEvery);
      samples.push(await sampleOf(keyhold));
    }
    const seconds = (performance.now() - begun) / 1_000;
    load.isOver = true;
    await Promise.all(lanes);
    await Promise.all(clients.map((client) => client.close()));
    return [
      { name: 'soak-load', value: load.done / seconds, unit: 'op/s', ratio_to_raw: null },
      ...rowsOf(samples),
    ];
  } finally {
    await keyhold.stop();
  }
}

function rowsOf(samples: readonly Sample[]): Row[] {
  const secondHalf = samples.slice(Math.floor(samples.length / 2));
  const names = Object.keys(watched) as (keyof typeof watched)[];
  return names.map((name): Row => {
    const { unit, slack } = watched[name];
    const values = secondHalf.map((sample) => sample[name]);
    const measure = `${unit} more over the second half`.trim();
    return {
      name: `soak-${name}`,
      value: percentile(values, 0.5),
      unit,
      ratio_to_raw: null,
      goals: [{ measure, value: growth(values), bound: 'at most', limit: slack }],
    };
  });
}

async function sampleOf(keyhold: Keyhold): Promise<Sample> {
  const { heap, external, resources } = await keyhold.probe('memory');
  const workers = keyhold.workerPids;
  const sum = (of: (pid: number) => number) => workers.reduce((total, pid) => total + of(pid), 0);
  return {
    'daemon-resident': residentBytes(keyhold.pid) / megabyte,
    'daemon-heap': heap / megabyte,
    'daemon-external': external / megabyte,
    'daemon-descriptors': descriptors(keyhold.pid),
    'daemon-handles': resources,
    'workers-resident': sum(residentBytes) / megabyte,
    'workers-descriptors': sum(descriptors),
  };
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

interface Keys {
  readonly keyId: string;
  readonly signingKeyId: string;
  readonly ciphertextBlob: Uint8Array;
}

async function keysOf(client: Client): Promise<Keys> {
  const keyId = (await client.createKey({})).keyMetadata.keyId;
  const signing = { keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' } as const;
  const signingKeyId = (await client.createKey(signing)).keyMetadata.keyId;
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext: Buffer.alloc(64, 1) });
  return { keyId, signingKeyId, ciphertextBlob: ciphertextBlob };
}

/** Repeats the same requests on each connection. It deletes what it creates, so the store does not grow. */
class MixedLoad {
  done = 0;
  isOver = false;
  #aliases = 0;
  readonly #acts: readonly ((client: Client) => Promise<unknown>)[];

  constructor(
    private readonly keyhold: Keyhold,
    { keyId, signingKeyId, ciphertextBlob }: Keys,
  ) {
    const plaintext = Buffer.alloc(64, 1);
    const often = [
      (client: Client) => client.encrypt({ keyId, plaintext, encryptionContext: { purpose: 'soak' } }),
      (client: Client) => client.decrypt({ ciphertextBlob }),
      (client: Client) => client.generateDataKey({ keyId, keySpec: 'AES_256' }),
      (client: Client) =>
        client.sign({ keyId: signingKeyId, message: plaintext, signingAlgorithm: 'ECDSA_SHA_256' }),
      (client: Client) => client.describeKey({ keyId }),
      // Refused, so that the path of errors is used too.
      (client: Client) => client.decrypt({ ciphertextBlob: plaintext }).catch(() => undefined),
    ];
    this.#acts = [
      ...Array.from({ length: 20 }, () => often).flat(),
      (client) => this.#aliasMadeAndDeleted(client, keyId),
      () => this.#connected(),
    ];
  }

  async run(client: Client): Promise<void> {
    const pause = (connections * 1_000) / rate;
    let due = performance.now();
    for (let turn = 0; !this.isOver; turn++) {
      await this.#acts[turn % this.#acts.length]!(client);
      this.done += 1;
      due = Math.max(due + pause, performance.now() - 1_000);
      await sleep(Math.max(0, due - performance.now()));
    }
  }

  async #aliasMadeAndDeleted(client: Client, targetKeyId: string): Promise<void> {
    const aliasName = `alias/soak-${++this.#aliases}`;
    await client.createAlias({ aliasName, targetKeyId });
    await client.deleteAlias({ aliasName });
  }

  async #connected(): Promise<void> {
    const client = await this.keyhold.connect(this.#aliases % 2 === 0 ? 'unix' : 'wss');
    await client.generateRandom({ numberOfBytes: 16 });
    await client.close();
  }
}
