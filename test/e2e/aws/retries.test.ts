// Throttled SDKs are told when to retry.
import * as kms from '@aws-sdk/client-kms';
import t from 'tap';
import { clientConfig, kmsClient } from '../../support/aws/aws.js';
import { send } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';

void t.test('a throttled client is told after how many milliseconds to retry', async (t) => {
  const daemon = await TestDaemon.start(t, 'quotas:\n  symmetric: 2');
  const GenerateRandom = new kms.GenerateRandomCommand({ NumberOfBytes: 8 });

  await t.test('in the header that AWS SDKs read, and in that of HTTP', async (t) => {
    const call = () => send(daemon, { operation: 'GenerateRandom', body: '{"NumberOfBytes":8}' });
    const replies = await Promise.all(Array.from({ length: 8 }, call));
    const refused = replies.filter(({ status }) => status !== 200);
    t.ok(refused.length > 0);
    for (const { status, __type, headers } of refused) {
      t.match({ status, __type }, { status: 400, __type: 'ThrottlingException' });
      const milliseconds = Number(headers['x-amz-retry-after']);
      t.ok(
        milliseconds > 0 && milliseconds <= 1_000,
        `x-amz-retry-after: ${headers['x-amz-retry-after'] as string}`,
      );
      t.equal(headers['retry-after'], String(Math.ceil(milliseconds / 1000)));
    }
    t.match(await send(daemon, { operation: 'DescribeKey' }), { headers: { 'retry-after': undefined } });
  });

  await t.test('the JavaScript SDK reads it', async (t) => {
    const hints: unknown[] = [];
    const token = { getRetryCount: () => hints.length, getRetryDelay: () => 0 };
    const client = new kms.KMSClient({
      ...clientConfig(daemon),
      retryStrategy: {
        mode: 'standard',
        acquireInitialRetryToken: () => Promise.resolve(token),
        refreshRetryTokenForRetry(_token, { retryAfterHint, errorType }) {
          hints.push({ errorType, wait: retryAfterHint && retryAfterHint.getTime() - Date.now() });
          return Promise.reject(new Error('noted'));
        },
        recordSuccess: () => undefined,
      },
    });
    t.teardown(() => client.destroy());
    await Promise.allSettled(Array.from({ length: 8 }, () => client.send(GenerateRandom)));
    t.ok(hints.length > 0);
    for (const hint of hints as { errorType: string; wait: number }[]) {
      t.equal(hint.errorType, 'THROTTLING');
      t.ok(hint.wait > -1_000 && hint.wait <= 1_000, `${hint.wait} ms`);
    }
  });

  await t.test('and is served when it retries', async (t) => {
    const client = kmsClient(t, daemon, { maxAttempts: 10 });
    const replies = await Promise.all(Array.from({ length: 5 }, () => client.send(GenerateRandom)));
    t.ok(replies.some(({ $metadata }) => $metadata.attempts! > 1));
  });
});
