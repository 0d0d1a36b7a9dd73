// The description of a key, and when it was last used.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';

const plaintext = Buffer.from('attack at dawn');

void t.test('a description is changed, and may be empty', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const keyId = (await client.createKey({ description: 'first' })).keyMetadata.keyId;
  const description = async () => (await client.describeKey({ keyId })).keyMetadata.description;
  t.same(await client.updateKeyDescription({ keyId, description: 'second, with ümlaut' }), {});
  t.equal(await description(), 'second, with ümlaut');
  await t.rejects(client.updateKeyDescription({ keyId, description: 'x'.repeat(8_193) }), {
    code: 'ValidationException',
  });
  await t.rejects(client.updateKeyDescription({ keyId: 'alias/none', description: 'x' }), {
    code: 'NotFoundException',
  });
  t.equal(await description(), 'second, with ümlaut');
  await client.updateKeyDescription({ keyId, description: '' });
  t.equal(await description(), '');
});

void t.test('when a key was last used', async (t) => {
  const daemon = await TestDaemon.start(t);
  let client = await daemon.connect();
  const { keyId, arn, creationDate } = (await client.createKey({})).keyMetadata;
  const other = (await client.createKey({})).keyMetadata.keyId;
  const lastUsage = async (id = keyId) => (await client.getKeyLastUsage({ keyId: id })).keyLastUsage;

  await t.test('is the last successful operation, with the IDs of its event', async (t) => {
    const unused = await client.getKeyLastUsage({ keyId: keyId });
    t.same(unused, {
      keyId: arn,
      keyLastUsage: {},
      trackingStartDate: creationDate,
      keyCreationDate: creationDate,
    });
    const { ciphertextBlob } = await client.encrypt({ keyId: keyId, plaintext });
    const encrypted = (await lastUsage())!;
    const event = daemon.events('Encrypt').at(-1)!;
    t.match(encrypted, {
      operation: 'Encrypt',
      cloudTrailEventId: event.eventID,
      kmsRequestId: event.requestID,
    });
    t.ok(Math.abs(encrypted.timestamp! - Date.now() / 1000) < 60);
    await client.decrypt({ ciphertextBlob });
    t.match(await lastUsage(), { operation: 'Decrypt' });
    const decrypted = await lastUsage();
    await client.describeKey({ keyId: keyId });
    await t.rejects(client.decrypt({ ciphertextBlob, encryptionContext: { wrong: '' } }));
    await t.rejects(client.encrypt({ keyId: keyId, plaintext, dryRun: true }));
    t.same(await lastUsage(), decrypted, 'failed requests and requests that do not use the key do not count');
    await client.reEncrypt({ ciphertextBlob, destinationKeyId: other });
    t.match(await lastUsage(), { operation: 'ReEncrypt' });
    t.match(await lastUsage(other), { operation: 'ReEncrypt' }, 'ReEncrypt counts for both keys');
    await t.rejects(client.getKeyLastUsage({ keyId: 'alias/none' }), { code: 'NotFoundException' });
  });

  await t.test('is known after a stop', async (t) => {
    await client.generateDataKey({ keyId: keyId, keySpec: 'AES_256' });
    const before = await lastUsage();
    await client.close();
    await daemon.stop();
    await daemon.start();
    client = await daemon.connect();
    t.same(await lastUsage(), before);
  });

  await t.test('is at most a minute behind after kill -9', async (t) => {
    const usedAt = Date.now();
    await client.encrypt({ keyId: keyId, plaintext });
    const written = await lastUsage();
    const metadata = join(daemon.home, 'metadata');
    const isWritten = () =>
      readdirSync(metadata)
        .filter((name) => name.endsWith('.log'))
        .some((name) => readFileSync(join(metadata, name), 'latin1').includes(written!.cloudTrailEventId!));
    const isInUsageRecord = async () => {
      // Only changes store their audit event, so an ID of Encrypt's event is in no other record.
      for (const end = Date.now() + 60_000; Date.now() < end && !isWritten();) await sleep(200);
      return isWritten();
    };
    t.ok(await isInUsageRecord());
    t.ok(Date.now() - usedAt < 60_000);
    await client.decrypt({
      ciphertextBlob: (await client.encrypt({ keyId: keyId, plaintext })).ciphertextBlob,
    });
    await daemon.stop('SIGKILL');
    await client.close();
    await daemon.start();
    client = await daemon.connect();
    t.same(await lastUsage(), written, 'only usage that was not written yet is lost');
    await client.close();
  });
});
