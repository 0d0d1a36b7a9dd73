// A wall clock that is wrong for a while: destruction by date, and planned dates.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { MovableClock } from '../../support/clock.js';
import { TestDaemon } from '../../support/daemon.js';
import { describe, newExternalKey, parametersFor } from '../../support/imports.js';
import { labels } from '../../support/token.js';

const plaintext = Buffer.from('attack at dawn');
const day = 86_400;

async function begin(t: Test, configuration: string) {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  daemon.configure(configuration);
  const clock = new MovableClock(daemon.home);
  await daemon.start(clock.env);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  return { daemon, clock, client };
}

async function eventually(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 300; tries++) {
    if (await condition()) return true;
    await sleep(50);
  }
  return false;
}

void t.test(
  'a clock that is ahead for seconds destroys nothing; expired material is back afterwards',
  async (t) => {
    const { daemon, clock, client } = await begin(t, '');
    const keyId = await newExternalKey(client);
    const parameters = await parametersFor(client, keyId);
    await parameters.import(randomBytes(32), { validTo: Math.floor(Date.now() / 1000) + 30 * day });
    const doomed = (await client.createKey({})).keyMetadata.keyId;
    await client.scheduleKeyDeletion({ keyId: doomed, pendingWindowInDays: 7 });
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
    const before = labels(daemon);
    t.ok(before.includes(`keyhold/wrapping/${keyId}`), 'a wrapping key that expires after a day exists too');

    clock.move('+40d');
    await sleep(4_000);
    await t.rejects(client.decrypt({ ciphertextBlob }), { code: 'KMSInvalidStateException' });
    t.match(await describe(client, keyId), { keyState: 'PendingImport' });
    t.match((await daemon.health()).warnings, [
      /deletions of keys, and of .* expired, wait for 24 more hours/,
    ]);
    clock.move('+0');
    await sleep(1_500);
    t.same(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext), plaintext);
    t.match(await describe(client, keyId), { keyState: 'Enabled', expirationModel: 'KEY_MATERIAL_EXPIRES' });
    t.same(labels(daemon), before);

    await t.test('a start under such a clock destroys nothing either', async (t) => {
      await client.close();
      await daemon.stop();
      clock.move('+40d');
      await daemon.start(clock.env);
      await sleep(3_000);
      await daemon.stop();
      clock.move('+0');
      await daemon.start(clock.env);
      const again = await daemon.connect();
      t.teardown(() => again.close());
      t.same(Buffer.from((await again.decrypt({ ciphertextBlob })).plaintext), plaintext);
      t.same(labels(daemon), before);
      for (const name of ['DeleteExpiredKeyMaterial', 'DeleteExpiredWrappingKey', 'DeleteKey'])
        t.same(daemon.events(name), []);
    });

    await t.test('material that really expired is destroyed once the clock was watched', async (t) => {
      await daemon.stop();
      daemon.configure('deletionCautionHours: 0.001');
      clock.move('+40d');
      await daemon.start(clock.env);
      const gone = () => daemon.events('DeleteExpiredKeyMaterial').length === 1;
      t.ok(await eventually(gone));
      t.ok(await eventually(() => !labels(daemon).some((label) => label.includes(keyId))));
    });
  },
);

void t.test('dates planned by a clock that was ten years ahead are corrected', async (t) => {
  const { daemon, clock, client } = await begin(t, 'deletionCautionHours: 0.001');
  const newKey = async () => (await client.createKey({})).keyMetadata.keyId;
  const [rotated, doomed] = [await newKey(), await newKey()];
  await client.enableKeyRotation({ keyId: rotated });
  clock.move('+3650d');
  t.ok(await eventually(() => daemon.events('RotateKey').length === 1));
  await client.scheduleKeyDeletion({ keyId: doomed, pendingWindowInDays: 7 });
  const next = async () => (await client.getKeyRotationStatus({ keyId: rotated })).nextRotationDate!;
  const deletion = async () => (await describe(client, doomed)).deletionDate!;
  const now = Date.now() / 1000;
  t.ok((await next()) > now + 4_000 * day, 'the next rotation is planned for eleven years later');
  t.ok((await deletion()) > now + 3_650 * day);
  clock.move('+0');
  await sleep(500);
  t.match(
    (await daemon.health()).warnings.filter((each) => each.includes('ahead of this one')),
    [new RegExp(`(rotation or deletion of 2 keys).*(${rotated}|${doomed})`)],
  );
  t.ok(await eventually(() => daemon.events('CorrectKeyPeriods').length === 2));
  t.ok((await next()) < now + 366 * day);
  t.ok((await deletion()) > now + 6.9 * day, 'the whole waiting period is still ahead');
  t.ok((await deletion()) < now + 7.1 * day);
  t.same(daemon.events('DeleteKey'), []);
  t.same((await daemon.health()).warnings, []);
  await client.cancelKeyDeletion({ keyId: doomed });
});
