// Request quotas and fair queueing, seen by clients.
import t, { type Test } from 'tap';
import type { Client } from '../../../client/index.js';
import { send } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';

async function start(t: Test, config: string): Promise<{ daemon: TestDaemon; root: Client }> {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  daemon.configure(config);
  await daemon.start();
  const root = await daemon.connect();
  t.teardown(() => root.close());
  return { daemon, root };
}

async function newUser(root: Client, userName: string) {
  await root.createUser({ userName });
  const policyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'kms:*', Resource: '*' }],
  });
  const { policy } = await root.createPolicy({ policyName: `of-${userName}`, policyDocument });
  await root.attachUserPolicy({ userName, policyArn: policy.arn });
  const { accessKeyId = '', secretAccessKey = '' } = (await root.createAccessKey({ userName })).accessKey;
  return { accessKeyId, secretAccessKey };
}

void t.test('a throttled client is told when to retry, and does so', async (t) => {
  const { daemon, root } = await start(t, 'quotas:\n  symmetric: 20');
  const credentials = await newUser(root, 'greedy');
  const once = await daemon.connect({ credentials, maxAttempts: 1 });
  const patient = await daemon.connect({ credentials, maxAttempts: 100 });
  t.teardown(() => Promise.all([once.close(), patient.close()]));
  const call = (client: Client) => client.generateRandom({ numberOfBytes: 8 });
  const results = await Promise.allSettled(Array.from({ length: 60 }, () => call(once)));
  const refused = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as object] : [],
  );
  t.ok(refused.length >= 20, `${refused.length}`);
  for (const error of refused)
    t.match(error, { code: 'ThrottlingException', retryable: true, retryAfter: Number });
  t.ok(await call(root), 'another principal has its own quota');
  const replies = await Promise.all(
    Array.from({ length: 40 }, () =>
      send(daemon, { ...credentials, operation: 'GenerateRandom', body: '{"NumberOfBytes":8}' }),
    ),
  );
  const throttled = replies.filter(({ __type }) => __type === 'ThrottlingException');
  t.ok(throttled.length > 0, 'requests on the AWS endpoint are throttled too');
  for (const { headers } of throttled)
    t.equal(headers['retry-after'], '1', 'the header of HTTP has whole seconds');
  const begun = performance.now();
  await Promise.all(Array.from({ length: 40 }, () => call(patient)));
  t.ok(
    performance.now() - begun > 900,
    'forty requests take a second at least with a quota of twenty per second',
  );
  await daemon.stop();
  const counts = daemon
    .events('RefuseRequest')
    .filter(({ errorCode }) => errorCode === 'ThrottlingException')
    .map(({ serviceEventDetails }) => (serviceEventDetails as { count: number }).count);
  const recorded = counts.reduce((sum, count) => sum + count, 0);
  t.ok(recorded >= refused.length + throttled.length, 'each throttled request is counted in the audit log');
});

void t.test('a principal with a thousand requests in flight does not delay others', async (t) => {
  const { daemon, root } = await start(t, 'limits:\n  executing: 32');
  const keyId = (await root.createKey({})).keyMetadata.keyId;
  const plaintext = Buffer.from('x');
  const time = async (client: Client) => {
    const begun = performance.now();
    await client.encrypt({ keyId, plaintext });
    return performance.now() - begun;
  };
  const credentials = await newUser(root, 'greedy');
  const greedy = await Promise.all([1, 2].map(() => daemon.connect({ credentials, maxAttempts: 1 })));
  t.teardown(() => Promise.all(greedy.map((client) => client.close())));
  let isOver = false;
  const slow: number[] = [];
  const lanes = greedy.flatMap((client) =>
    Array.from({ length: 500 }, async () => {
      while (!isOver) slow.push(await time(client));
    }),
  );
  const quick: number[] = [];
  await time(greedy[0]!);
  for (let index = 0; index < 100; index++) quick.push(await time(root));
  isOver = true;
  await Promise.all(lanes);
  const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
  t.comment({ quick: median(quick), slow: median(slow) });
  t.ok(median(quick) * 4 < median(slow), `${median(quick)} and ${median(slow)} ms`);
});
