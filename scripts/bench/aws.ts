// The AWS endpoint over persistent TLS connections, compared with the native protocol and with a bare node:https server
// that verifies the same signatures and echoes the body.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '../../client/index.js';
import { AwsConnection, type Signer } from './load/https-agent.js';
import { cpuSeconds, Keyhold, script } from './keyhold.js';
import { type Call, latencies, median, percentile, throughput } from './load/load.js';
import type { Row } from './report/report.js';
import { type SuiteOptions, UsageError } from './suite.js';

const connections = 32;

type Consumer = 'echoCpu' | 'daemonCpu' | 'workersCpu';

/** CPU time per call is more reliable than the rate when other programs compete for the cores. */
const consumers: readonly (readonly [figure: Consumer, process: string])[] = [
  ['daemonCpu', 'aws-daemon'],
  ['workersCpu', 'aws-workers'],
  ['echoCpu', 'https-echo'],
];

interface Operation {
  readonly name: string;
  readonly awsName: string;
  /** JSON. */
  readonly body: string;
  readonly native: (client: Client) => Call;
}

/**
 * Measures the AWS endpoint and its baselines in turn in every round, so that a change of the machine's load affects both.
 * @throws UsageError if `only` is not one of the operations
 */
export async function awsSuite({ time, rounds, only, profile }: SuiteOptions): Promise<Row[]> {
  const keyhold = await Keyhold.start(profile);
  const files = (name: string) => join(keyhold.home, name);
  const echo = fork(script('baselines/https-echo'), [
    files('tls/server.pem'),
    files('tls/server.key'),
    files('credentials'),
  ]);
  try {
    const [echoPort] = (await once(echo, 'message')) as [number];
    const ca = readFileSync(files('tls/ca.pem'));
    const signer = { ...keyhold.credentials, region: 'us-east-1' };
    const own = connect(keyhold.awsUrl, signer, ca);
    const bare = connect(new URL(`https://127.0.0.1:${echoPort}`), signer, ca);
    const clients = await Promise.all(Array.from({ length: connections }, () => keyhold.connect()));
    const operations = (await operationsOn(clients[0]!)).filter(
      ({ name }) => only === undefined || only === name,
    );
    if (operations.length === 0)
      throw new UsageError('--only takes one of: encrypt, decrypt, generate-data-key, sign.');
    const rows: Row[] = [];
    for (const { name, awsName, body, native } of operations) {
      const aws = own.map((connection) => connection.call(awsName, body));
      const plain = bare.map((connection) => connection.call(awsName, body));
      const nativeCalls = clients.map((client) => native(client));
      await throughput(aws, 1, time / 4);
      const figures: Record<'aws' | 'native' | 'echo' | 'ratio' | 'single' | Consumer, number[]> = {
        aws: [],
        native: [],
        echo: [],
        ratio: [],
        single: [],
        echoCpu: [],
        daemonCpu: [],
        workersCpu: [],
      };
      const used = () => {
        const { daemon, workers } = keyhold.cpu();
        return { echoCpu: cpuSeconds(echo.pid!), daemonCpu: daemon, workersCpu: workers };
      };
      /** Measures throughput, and records the CPU time per call of some processes. @returns calls per second */
      const measured = async (calls: readonly Call[], consumers: readonly Consumer[]): Promise<number> => {
        const before = used();
        const rate = await throughput(calls, 1, time);
        const after = used();
        const count = (rate * time) / 1000;
        for (const name of consumers) figures[name].push(((after[name] - before[name]) * 1e6) / count);
        return rate;
      };
      for (let round = 0; round < rounds; round++) {
        figures.echo.push(await measured(plain, ['echoCpu']));
        figures.aws.push(await measured(aws, ['daemonCpu', 'workersCpu']));
        figures.native.push(await throughput(nativeCalls, 1, time));
        figures.ratio.push(figures.aws[round]! / figures.echo[round]!);
        figures.single.push(...(await latencies(aws[0]!, time / 2)));
      }
      rows.push(
        {
          name: `aws-${name}-32`,
          value: median(figures.aws),
          unit: 'op/s',
          ratio_to_raw: median(figures.ratio),
        },
        {
          name: `aws-${name}-single-p50`,
          value: percentile(figures.single, 0.5),
          unit: 'us',
          ratio_to_raw: null,
        },
        { name: `native-${name}-32`, value: median(figures.native), unit: 'op/s', ratio_to_raw: null },
        { name: `https-echo-${name}-32`, value: median(figures.echo), unit: 'op/s', ratio_to_raw: null },
        ...consumers.map(([figure, process]): Row => {
          return {
            name: `${process}-${name}-cpu`,
            value: median(figures[figure]),
            unit: 'us',
            ratio_to_raw: null,
          };
        }),
      );
    }
    for (const connection of [...own, ...bare]) connection.close();
    await Promise.all(clients.map((client) => client.close()));
    return rows;
  } finally {
    echo.kill();
    await keyhold.stop();
  }
}

function connect(url: URL, signer: Signer, ca: Buffer): AwsConnection[] {
  return Array.from({ length: connections }, () => new AwsConnection(url, signer, ca));
}

async function operationsOn(client: Client): Promise<Operation[]> {
  const keyId = (await client.createKey({})).keyMetadata.keyId;
  const signing = { keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' } as const;
  const signingKeyId = (await client.createKey(signing)).keyMetadata.keyId;
  const plaintext = Buffer.alloc(64, 1);
  const ciphertextBlob = (await client.encrypt({ keyId, plaintext })).ciphertextBlob;
  const sign = { keyId: signingKeyId, message: plaintext, signingAlgorithm: 'ECDSA_SHA_256' } as const;
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  return [
    {
      name: 'encrypt',
      awsName: 'Encrypt',
      body: JSON.stringify({ KeyId: keyId, Plaintext: base64(plaintext) }),
      native: (c) => () => c.encrypt({ keyId, plaintext }),
    },
    {
      name: 'decrypt',
      awsName: 'Decrypt',
      body: JSON.stringify({ CiphertextBlob: base64(ciphertextBlob) }),
      native: (c) => () => c.decrypt({ ciphertextBlob }),
    },
    {
      name: 'generate-data-key',
      awsName: 'GenerateDataKey',
      body: JSON.stringify({ KeyId: keyId, KeySpec: 'AES_256' }),
      native: (c) => () => c.generateDataKey({ keyId, keySpec: 'AES_256' }),
    },
    {
      name: 'sign',
      awsName: 'Sign',
      body: JSON.stringify({
        KeyId: signingKeyId,
        Message: base64(plaintext),
        SigningAlgorithm: sign.signingAlgorithm,
      }),
      native: (c) => () => c.sign(sign),
    },
  ];
}
