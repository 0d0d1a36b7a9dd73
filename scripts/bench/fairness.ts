// The effect of one principal's requests on another: the latency of a client with one request at a time, alone and while
// another principal keeps as many requests in flight as it may.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Client } from '../../client/index.js';
import { Admission } from '../../daemon/pipeline/admission/fair-queue.js';
import { Quotas } from '../../daemon/pipeline/admission/rate-limits.js';
import { operationTable } from '../../daemon/operations/table.js';
import { Keyhold, script } from './keyhold.js';
import { latencies, median, percentile, throughput } from './load/load.js';
import { microseconds } from './policy.js';
import type { Row } from './report/report.js';
import type { SuiteOptions } from './suite.js';

const plaintext = Buffer.alloc(64, 1);

/** Measures the latency alone and next to a greedy principal in turn, and the cost of admitting one request. */
export async function fairnessSuite({ time, rounds }: SuiteOptions): Promise<Row[]> {
  const keyhold = await Keyhold.start();
  try {
    const polite = await keyhold.connect();
    const keyId = (await polite.createKey({})).keyMetadata.keyId;
    const credentials = await newUser(polite);
    const call = () => polite.encrypt({ keyId, plaintext });
    await throughput([call], 32, time);
    const seen = {
      alone: [] as number[],
      beside: [] as number[],
      ratios: [] as number[],
      rates: [] as number[],
    };
    for (let round = 0; round < rounds; round++) {
      const alone = percentile(await latencies(call, time), 0.99);
      const greedy = await startGreedy(keyhold, keyId, credentials);
      const beside = percentile(await latencies(call, time), 0.99);
      seen.rates.push(await endGreedy(greedy));
      seen.alone.push(alone);
      seen.beside.push(beside);
      seen.ratios.push(beside / alone);
    }
    await polite.close();
    const row = (name: string, value: number, unit: Row['unit'] = 'us'): Row => {
      return { name, value, unit, ratio_to_raw: null };
    };
    return [
      row('encrypt-64-p99-alone', median(seen.alone)),
      { ...row('encrypt-64-p99-beside-greedy', median(seen.beside)), ratio_to_alone: median(seen.ratios) },
      row('encrypt-64-of-greedy', median(seen.rates), 'op/s'),
      row('admission-of-one-request', admissionCost(time)),
    ];
  } finally {
    await keyhold.stop();
  }
}

/** Starts the greedy client in a separate process, so that it does not slow this one. Resolves when its load is running. */
async function startGreedy(keyhold: Keyhold, keyId: string, credentials: object): Promise<ChildProcess> {
  const child = spawn(process.execPath, [script('load/greedy-client'), keyhold.url, keyId], {
    env: { ...process.env, ...credentials },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await once(child, 'message');
  return child;
}

/** Ends the greedy client. @returns its calls per second */
async function endGreedy(child: ChildProcess): Promise<number> {
  child.send('end');
  const [rate] = (await once(child, 'message')) as [number];
  await once(child, 'close');
  return rate;
}

function admissionCost(time: number): number {
  const rate = 1e9;
  const rates = { symmetric: rate, asymmetric: rate, dataKeyPairs: rate, reads: rate, changes: rate };
  const limits = { executing: 512, executingBesideOthers: 64, inFlightPerPrincipal: 4_096 };
  const gate = new Admission(new Quotas(rates, operationTable.values()), limits);
  const encrypt = operationTable.get('Encrypt')!;
  return microseconds(() => gate.leave(gate.enter('AIDA', encrypt)), time);
}

async function newUser(root: Client) {
  const userName = 'greedy';
  await root.createUser({ userName });
  const policyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'kms:Encrypt', Resource: '*' }],
  });
  const { policy } = await root.createPolicy({ policyName: userName, policyDocument });
  await root.attachUserPolicy({ userName, policyArn: policy.arn });
  const { accessKeyId = '', secretAccessKey = '' } = (await root.createAccessKey({ userName })).accessKey;
  return { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
}
