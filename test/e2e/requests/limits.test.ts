// Lower and upper limits of AWS KMS, by default and lowered by the configuration.
import t, { type Test } from 'tap';
import type { Client } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';

interface Limits {
  readonly plaintext: number;
  readonly message: number;
  readonly random: number;
  readonly context: number;
  readonly description: number;
  readonly alias: number;
  readonly grantTokens: number;
  readonly list: number;
  readonly window: readonly [least: number, most: number];
  readonly period: readonly [least: number, most: number];
}

async function walk(t: Test, client: Client, limits: Limits): Promise<void> {
  const newKey = async (request: Parameters<Client['createKey']>[0] = {}) =>
    (await client.createKey(request)).keyMetadata.keyId;
  const keyId = await newKey();
  const granteePrincipal = 'arn:aws:iam::000000000000:root';
  const { grantToken } = await client.createGrant({ keyId, granteePrincipal, operations: ['DescribeKey'] });
  const hmac = await newKey({ keySpec: 'HMAC_256', keyUsage: 'GENERATE_VERIFY_MAC' });
  const [bytes, text] = [(length: number) => Buffer.alloc(length, 1), (length: number) => 'x'.repeat(length)];
  const encrypt = (length: number, context = 0) =>
    client.encrypt({
      keyId,
      plaintext: bytes(length),
      ...(context && { encryptionContext: { k: text(context - 1) } }),
    });
  const upTo: readonly [string, number, (size: number) => Promise<unknown>][] = [
    ['plaintext', limits.plaintext, (size) => encrypt(size)],
    [
      'message',
      limits.message,
      (size) => client.generateMac({ keyId: hmac, message: bytes(size), macAlgorithm: 'HMAC_SHA_256' }),
    ],
    ['random bytes', limits.random, (size) => client.generateRandom({ numberOfBytes: size })],
    ['data key', limits.random, (size) => client.generateDataKey({ keyId, numberOfBytes: size })],
    ['encryption context', limits.context, (size) => encrypt(1, size)],
    [
      'description',
      limits.description,
      (size) => client.updateKeyDescription({ keyId, description: text(size) }),
    ],
    [
      'alias',
      limits.alias,
      (size) => client.createAlias({ aliasName: `alias/${text(size - 6)}`, targetKeyId: keyId }),
    ],
    [
      'grant tokens',
      limits.grantTokens,
      (size) => client.describeKey({ keyId, grantTokens: Array.from({ length: size }, () => grantToken) }),
    ],
    ['list', limits.list, (size) => client.listKeys({ limit: size })],
    [
      'pending window',
      limits.window[1],
      async (days) => client.scheduleKeyDeletion({ keyId: await newKey(), pendingWindowInDays: days }),
    ],
    [
      'rotation period',
      limits.period[1],
      (days) => client.enableKeyRotation({ keyId, rotationPeriodInDays: days }),
    ],
  ];
  for (const [name, limit, use] of upTo) {
    await t.resolves(use(limit), `${name}: ${limit}`);
    await t.rejects(use(limit + 1), { code: 'ValidationException' }, `${name}: ${limit + 1}`);
  }
  // A rotation that is already enabled keeps its period.
  await client.disableKeyRotation({ keyId });
  await client.enableKeyRotation({ keyId });
  const { rotationPeriodInDays } = await client.getKeyRotationStatus({ keyId });
  t.equal(
    rotationPeriodInDays,
    Math.min(365, limits.period[1]),
    'the default rotation period is within the limits',
  );
  const deleted = await client.scheduleKeyDeletion({ keyId: await newKey() });
  t.equal(deleted.pendingWindowInDays, limits.window[1], 'the default waiting period is the longest allowed');
  const { ciphertextBlob } = await encrypt(1);
  const long = Buffer.concat([ciphertextBlob, Buffer.alloc(6_145)]);
  await t.rejects(client.decrypt({ ciphertextBlob: long }), { code: 'ValidationException' });
  const short = client.scheduleKeyDeletion({ keyId, pendingWindowInDays: limits.window[0] - 1 });
  await t.rejects(short, { code: 'ValidationException' });
  const frequent = client.enableKeyRotation({ keyId, rotationPeriodInDays: limits.period[0] - 1 });
  await t.rejects(frequent, { code: 'ValidationException' });
}

void t.test('the limits are those of AWS KMS', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  await walk(t, client, {
    plaintext: 4_096,
    message: 4_096,
    random: 1_024,
    context: 8_192,
    description: 8_192,
    alias: 256,
    grantTokens: 10,
    list: 1_000,
    window: [7, 30],
    period: [90, 2_560],
  });
});

void t.test('the configuration can make them narrower', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  daemon.configure(`limits:
  plaintextBytes: 100
  messageBytes: 200
  randomBytes: 50
  encryptionContextBytes: 300
  descriptionLength: 20
  aliasLength: 30
  grantTokens: 2
  listLength: 5
  shortestPendingWindowInDays: 10
  longestPendingWindowInDays: 20
  shortestRotationPeriodInDays: 100
  longestRotationPeriodInDays: 200`);
  await daemon.start();
  const client = await daemon.connect();
  t.teardown(() => client.close());
  await walk(t, client, {
    plaintext: 100,
    message: 200,
    random: 50,
    context: 300,
    description: 20,
    alias: 30,
    grantTokens: 2,
    list: 5,
    window: [10, 20],
    period: [100, 200],
  });
  const windows = daemon
    .events('ScheduleKeyDeletion')
    .map(({ requestParameters }) => (requestParameters as Record<string, unknown>).pendingWindowInDays);
  t.ok(windows.includes(20), 'the audit log shows the default that was used');
  t.notOk(windows.includes(30));
});

void t.test('the configuration cannot make them wider', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  daemon.configure('limits:\n  plaintextBytes: 4097');
  await t.rejects(daemon.start(), { message: /limits.plaintextBytes/ });
});
