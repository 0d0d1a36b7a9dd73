// The deletion of a key: the waiting period, and the work of the scheduler, despite interruptions.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Client } from '../../../client/index.js';
import { MovableClock } from '../../support/clock.js';
import { TestDaemon } from '../../support/daemon.js';
import { labels, objectFiles, pkcs11Tool } from '../../support/token.js';

const plaintext = Buffer.from('attack at dawn');
const noCaution = 'deletionCautionHours: 0';

/** A daemon with a movable clock, and a client that connected before it moves. */
async function begin(
  t: { teardown(action: () => unknown): unknown },
  config = noCaution,
): Promise<{ daemon: TestDaemon; clock: MovableClock; client: Client }> {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  daemon.configure(config);
  const clock = new MovableClock(daemon.home);
  await daemon.start(clock.env);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  return { daemon, clock, client };
}

async function newKey(client: Client): Promise<string> {
  return (await client.createKey({})).keyMetadata.keyId;
}

async function eventually(condition: () => boolean, within = 15_000, every = 50): Promise<boolean> {
  for (const end = Date.now() + within; Date.now() < end; await sleep(every)) if (condition()) return true;
  return condition();
}

const deletionsOf = (daemon: TestDaemon, keyId: string) =>
  daemon.events('DeleteKey').filter((event) => JSON.stringify(event.serviceEventDetails).includes(keyId));

void t.test('deletion is scheduled for 7 to 30 days, shown, and can be cancelled', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const keyId = await newKey(client);
  const arn = `arn:aws:kms:us-east-1:000000000000:key/${keyId}`;
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
  for (const pendingWindowInDays of [6, 31]) {
    const attempt = client.scheduleKeyDeletion({ keyId, pendingWindowInDays });
    await t.rejects(attempt, { code: 'ValidationException' }, `${pendingWindowInDays} days`);
  }
  await t.rejects(client.cancelKeyDeletion({ keyId }), { code: 'KMSInvalidStateException' });
  const scheduled = await client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 7 });
  t.match(scheduled, { keyId: arn, keyState: 'PendingDeletion', pendingWindowInDays: 7 });
  t.ok(Math.abs(scheduled.deletionDate! - Date.now() / 1000 - 7 * 86_400) < 60);
  const { keyMetadata } = await client.describeKey({ keyId });
  t.match(keyMetadata, {
    keyState: 'PendingDeletion',
    enabled: false,
    deletionDate: scheduled.deletionDate!,
  });
  await t.rejects(client.decrypt({ ciphertextBlob }), { code: 'KMSInvalidStateException' });
  await t.rejects(client.scheduleKeyDeletion({ keyId }), { code: 'KMSInvalidStateException' });
  t.same(await client.cancelKeyDeletion({ keyId: arn }), { keyId: arn });
  t.match((await client.describeKey({ keyId })).keyMetadata, { keyState: 'Disabled', enabled: false });
  t.notOk('deletionDate' in (await client.describeKey({ keyId })).keyMetadata);
  await client.enableKey({ keyId });
  t.same(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext), plaintext);
  const later = await client.scheduleKeyDeletion({ keyId });
  t.equal(later.pendingWindowInDays, 30, 'the default is 30 days');
  t.match(daemon.events('ScheduleKeyDeletion').at(-1), {
    requestParameters: { keyId },
    responseElements: { keyId: arn, keyState: 'PendingDeletion' },
    resources: [{ ARN: arn }],
  });
});

void t.test(
  'after its waiting period a key is deleted with everything it owns, and nothing else is',
  async (t) => {
    const { daemon, clock, client } = await begin(t);
    const keyId = await newKey(client);
    const other = await newKey(client);
    const kept = await client.encrypt({ keyId: other, plaintext });
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
    await client.rotateKeyOnDemand({ keyId });
    await client.createAlias({ aliasName: 'alias/gone', targetKeyId: keyId });
    await client.createAlias({ aliasName: 'alias/kept', targetKeyId: other });
    // Foreign objects, one of them labelled as if it were the key's.
    pkcs11Tool(daemon, '--keygen', '--key-type', 'AES:32', '--label', `keyhold/${keyId}`, '--id', '02');
    pkcs11Tool(daemon, '--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'theirs', '--id', '01');
    const before = labels(daemon);
    t.equal(
      before.filter((label) => label === `keyhold/${keyId}`).length,
      3,
      'the token has two materials and the foreign object',
    );
    await client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 7 });
    clock.move('+6d');
    await sleep(2_500);
    t.match(
      (await client.describeKey({ keyId })).keyMetadata,
      { keyState: 'PendingDeletion' },
      'the key is not deleted a day early',
    );
    clock.move('+8d');
    t.ok(await eventually(() => deletionsOf(daemon, keyId).length > 0), 'the key is deleted');
    await t.rejects(client.describeKey({ keyId }), { code: 'NotFoundException' });
    await t.rejects(client.describeKey({ keyId: 'alias/gone' }), { code: 'NotFoundException' });
    await t.rejects(client.decrypt({ ciphertextBlob }), { code: 'AccessDeniedException' });
    t.same(
      (await client.listAliases({})).aliases.flatMap(({ aliasName, targetKeyId }) =>
        targetKeyId ? [aliasName] : [],
      ),
      ['alias/kept'],
    );
    const after = labels(daemon);
    const expected = [...before];
    for (let count = 0; count < 2; count++) expected.splice(expected.indexOf(`keyhold/${keyId}`), 1);
    t.same(after, expected, 'exactly its two objects are destroyed');
    t.same(Buffer.from((await client.decrypt({ ciphertextBlob: kept.ciphertextBlob })).plaintext), plaintext);
    await client.close();
    await daemon.stop();
    await daemon.start(clock.env);
    await daemon.stop();
    t.match(
      deletionsOf(daemon, keyId),
      [
        {
          userIdentity: { type: 'AWSService' },
          eventType: 'AwsServiceEvent',
          readOnly: false,
          resources: [{ ARN: `arn:aws:kms:us-east-1:000000000000:key/${keyId}` }],
        },
      ],
      'one event records the deletion',
    );
    t.match(await daemon.admin('audit-verify'), { code: 0 });
  },
);

void t.test('a waiting period also ends while the daemon is stopped', async (t) => {
  const { daemon, clock, client } = await begin(t);
  const keyId = await newKey(client);
  const cancelled = await newKey(client);
  await client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 7 });
  await client.scheduleKeyDeletion({ keyId: cancelled, pendingWindowInDays: 7 });
  await client.cancelKeyDeletion({ keyId: cancelled });
  await client.close();
  await daemon.stop();
  clock.move('+8d');
  await daemon.start(clock.env);
  t.ok(await eventually(() => deletionsOf(daemon, keyId).length === 1));
  const env = clock.env;
  t.match(await daemon.cli(['describe-key', '--key-id', keyId], { env }), { code: 1, stderr: /NotFound/ });
  t.match(await daemon.cli(['describe-key', '--key-id', cancelled], { env }), {
    code: 0,
    stdout: /"KeyState": "Disabled"/,
  });
});

void t.test(
  'a clock that jumps ahead by 40 days destroys nothing until it was watched for long enough',
  async (t) => {
    const { daemon, clock, client } = await begin(t, '');
    const keyId = await newKey(client);
    await client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 7 });
    t.same((await daemon.health()).warnings, []);
    clock.move('+40d');
    await sleep(3_000);
    t.match((await client.describeKey({ keyId })).keyMetadata, { keyState: 'PendingDeletion' });
    t.match((await daemon.health()).warnings, [
      /deletions of keys, and of .* expired, wait for 24 more hours of uptime/,
    ]);
    await client.close();
    await daemon.stop();
    await t.test('a restart, or a clock that was not watched, destroys nothing either', async (t) => {
      await daemon.start(clock.env);
      await sleep(2_000);
      t.match((await daemon.health()).warnings, [/wait for 24 more hours/]);
      await daemon.stop();
      clock.move('+80d');
      await daemon.start(clock.env);
      await sleep(2_000);
      t.match((await daemon.health()).warnings, [/wait for 24 more hours/]);
      t.same(daemon.events('DeleteKey'), []);
      t.ok(labels(daemon).includes(`keyhold/${keyId}`));
      await daemon.stop();
    });
    await t.test('the key is deleted after the waiting time', async (t) => {
      daemon.configure('deletionCautionHours: 0.0015');
      await daemon.start(clock.env);
      await sleep(1_000);
      t.same(daemon.events('DeleteKey'), [], 'the key is not deleted within the 5.4 seconds');
      t.ok(await eventually(() => deletionsOf(daemon, keyId).length === 1));
      t.same((await daemon.health()).warnings, []);
    });
  },
);

void t.test('a deletion that kill -9 interrupts is finished by the next start, once', async (t) => {
  const { daemon, clock, client } = await begin(t);
  const keyIds = [await newKey(client), await newKey(client)];
  for (const keyId of keyIds) {
    for (let count = 0; count < 12; count++) await client.rotateKeyOnDemand({ keyId });
  }
  const [first, second] = keyIds as [string, string];
  const metadata = join(daemon.home, 'metadata');
  const journal = () =>
    readdirSync(metadata)
      .filter((name) => name.endsWith('.log'))
      .map((name) => readFileSync(join(metadata, name), 'latin1'))
      .join('');

  await t.test('a kill between the intent and the end', async (t) => {
    await client.scheduleKeyDeletion({ keyId: first, pendingWindowInDays: 7 });
    clock.move('+8d');
    t.ok(await eventually(() => journal().includes('"begun":true'), 15_000, 1));
    await daemon.stop('SIGKILL');
    t.same(deletionsOf(daemon, first), [], 'the deletion was not complete');
    // By this clock the date is not reached, but a deletion that has begun is finished.
    clock.move('+0');
    await daemon.start(clock.env);
    t.ok(await eventually(() => deletionsOf(daemon, first).length === 1));
    t.notOk(labels(daemon).includes(`keyhold/${first}`));
  });

  await t.test('a kill when some of its objects are destroyed and others are not', async (t) => {
    const again = await daemon.connect();
    await again.scheduleKeyDeletion({ keyId: second, pendingWindowInDays: 7 });
    const objects = objectFiles(daemon);
    clock.move('+8d');
    t.ok(await eventually(() => objectFiles(daemon) < objects, 15_000, 1));
    process.kill(daemon.pid, 'SIGSTOP');
    await sleep(200);
    const left = labels(daemon).filter((label) => label === `keyhold/${second}`).length;
    t.ok(left > 0 && left < 13, `${left} of 13 objects are left`);
    await again.close();
    await daemon.stop('SIGKILL');
    t.same(deletionsOf(daemon, second), []);
    await daemon.start(clock.env);
    t.ok(await eventually(() => deletionsOf(daemon, second).length === 1));
    t.notOk(labels(daemon).includes(`keyhold/${second}`));
    await daemon.stop();
    await daemon.start(clock.env);
    await sleep(1_500);
    await daemon.stop();
    for (const keyId of keyIds) t.equal(deletionsOf(daemon, keyId).length, 1);
    t.match(await daemon.admin('audit-verify'), { code: 0 });
  });
});
