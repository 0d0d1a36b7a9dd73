// Keys of services are created once, at first use, and cannot be managed. Keyhold's own keys cannot be named.
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { labels } from '../../support/token.js';

const services = ['s3', 'ebs', 'rds', 'secretsmanager', 'sqs', 'sns', 'ssm', 'lambda', 'dynamodb', 'glue'];
const uuid = /^[0-9a-f]{8}-/;

void t.test('the key of a service', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const keyIds = async () => (await client.listKeys({})).keys.map(({ keyId }) => keyId);

  await t.test('does not exist before its first use, and is not listed', async (t) => {
    t.same(await keyIds(), []);
    const { aliases, truncated } = await client.listAliases({ limit: 100 });
    t.equal(truncated, false);
    for (const aliasName of ['alias/aws/ebs', 'alias/aws/rds', 'alias/aws/s3']) {
      const aliasArn = `arn:aws:kms:us-east-1:000000000000:${aliasName}`;
      t.same(
        aliases.filter((each) => each.aliasName === aliasName),
        [{ aliasName, aliasArn }],
        'its alias is listed, without a target',
      );
    }
    await t.rejects(client.describeKey({ keyId: 'alias/aws/none' }), { code: 'NotFoundException' });
    await t.rejects(client.describeKey({ keyId: 'alias/aws/' }), { code: 'NotFoundException' });
    await t.rejects(client.describeKey({ keyId: 'alias/aws/__proto__' }), { code: 'NotFoundException' });
    const management = client.enableKeyRotation({ keyId: 'alias/aws/s3' });
    await t.rejects(management, { code: 'NotFoundException' }, 'management operations take no alias');
    t.same(await keyIds(), []);
  });

  await t.test('is created by DescribeKey, as at AWS', async (t) => {
    const { keyMetadata } = await client.describeKey({ keyId: 'alias/aws/s3' });
    t.match(keyMetadata, {
      keyId: uuid,
      keyManager: 'AWS',
      origin: 'AWS_KMS',
      keySpec: 'SYMMETRIC_DEFAULT',
      keyUsage: 'ENCRYPT_DECRYPT',
      keyState: 'Enabled',
      multiRegion: false,
      description: 'Default key that protects my S3 objects when no other key is defined',
    });
    const keyId = keyMetadata.keyId;
    t.same(await keyIds(), [keyId]);
    const named = (await client.listAliases({ limit: 100 })).aliases.filter(
      ({ aliasName }) => aliasName === 'alias/aws/s3',
    );
    t.match(named, [{ targetKeyId: keyId, creationDate: Number, lastUpdatedDate: Number }], 'once');
    t.match((await client.listAliases({ keyId })).aliases, [{ aliasName: 'alias/aws/s3' }]);
    t.match(await client.getKeyRotationStatus({ keyId }), {
      keyRotationEnabled: true,
      rotationPeriodInDays: 365,
      nextRotationDate: keyMetadata.creationDate + 365 * 86_400,
    });
    t.match(daemon.events('CreateKey'), [
      {
        userIdentity: { type: 'AWSService' },
        serviceEventDetails: { keyId, aliasName: 'alias/aws/s3' },
        resources: [{ ARN: keyMetadata.arn }],
      },
    ]);
  });

  await t.test('is created by a cryptographic operation, and by an alias ARN', async (t) => {
    const { ciphertextBlob, keyId } = await client.encrypt({
      keyId: 'alias/aws/ebs',
      plaintext: Buffer.from('block'),
    });
    const { plaintext } = await client.decrypt({ ciphertextBlob, keyId: 'alias/aws/ebs' });
    t.equal(Buffer.from(plaintext).toString(), 'block');
    t.equal((await client.describeKey({ keyId: 'alias/aws/ebs' })).keyMetadata.arn, keyId);
    const alias = 'arn:aws:kms:us-east-1:000000000000:alias/aws/rds';
    const generated = await client.generateDataKey({ keyId: alias, keySpec: 'AES_256' });
    t.equal((await client.describeKey({ keyId: 'alias/aws/rds' })).keyMetadata.arn, generated.keyId);
  });

  await t.test('is created once, even by simultaneous first uses', async (t) => {
    const other = await daemon.connect();
    const before = (await keyIds()).length;
    const uses = Array.from({ length: 20 }, async (_, index) => {
      const keyId = 'alias/aws/sqs';
      const { arn } = (await (index % 2 ? client : other).describeKey({ keyId })).keyMetadata;
      return arn;
    });
    t.equal(new Set(await Promise.all(uses)).size, 1);
    t.equal((await keyIds()).length, before + 1);
    await other.close();
  });

  await t.test('refuses all management, as the fixed policies of AWS do', async (t) => {
    const { keyId } = (await client.describeKey({ keyId: 'alias/aws/s3' })).keyMetadata;
    const named = { keyId: keyId };
    const attempts: readonly [string, Promise<unknown>][] = [
      ['kms:DisableKey', client.disableKey(named)],
      ['kms:EnableKey', client.enableKey(named)],
      ['kms:ScheduleKeyDeletion', client.scheduleKeyDeletion(named)],
      ['kms:CancelKeyDeletion', client.cancelKeyDeletion(named)],
      ['kms:UpdateKeyDescription', client.updateKeyDescription({ ...named, description: 'mine' })],
      ['kms:EnableKeyRotation', client.enableKeyRotation({ ...named, rotationPeriodInDays: 90 })],
      ['kms:DisableKeyRotation', client.disableKeyRotation(named)],
      ['kms:RotateKeyOnDemand', client.rotateKeyOnDemand(named)],
      ['kms:TagResource', client.tagResource({ ...named, tags: [{ tagKey: 'a', tagValue: 'b' }] })],
      ['kms:UntagResource', client.untagResource({ ...named, tagKeys: ['a'] })],
      ['kms:CreateAlias', client.createAlias({ aliasName: 'alias/mine', targetKeyId: keyId })],
    ];
    for (const [action, attempt] of attempts) {
      const message = new RegExp(
        `is not authorized to perform: ${action} .* no resource-based policy allows`,
      );
      await t.rejects(attempt, { code: 'AccessDeniedException', message }, action);
    }
    t.match((await client.describeKey(named)).keyMetadata, { keyState: 'Enabled', description: /S3/ });
  });

  await t.test('keeps its alias, which nobody can create, move or delete', async (t) => {
    const { keyId } = (await client.createKey({})).keyMetadata;
    const refused = { code: 'NotAuthorizedException', message: '' };
    for (const aliasName of ['alias/aws/s3', 'alias/aws/kendra', 'alias/aws/mine']) {
      await t.rejects(client.createAlias({ aliasName, targetKeyId: keyId }), refused);
      await t.rejects(client.updateAlias({ aliasName, targetKeyId: keyId }), refused);
      await t.rejects(client.deleteAlias({ aliasName }), refused);
    }
    await client.createAlias({ aliasName: 'alias/mine', targetKeyId: keyId });
    const s3 = (await client.describeKey({ keyId: 'alias/aws/s3' })).keyMetadata.keyId;
    const stolen = client.updateAlias({ aliasName: 'alias/mine', targetKeyId: s3 });
    await t.rejects(stolen, { code: 'AccessDeniedException' });
  });
});

void t.test('keys of services do not count towards the limit of keys', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  daemon.configure('limits:\n  keys: 1');
  await daemon.start();
  const client = await daemon.connect();
  t.teardown(() => client.close());
  await client.describeKey({ keyId: 'alias/aws/s3' });
  await client.createKey({});
  await client.describeKey({ keyId: 'alias/aws/ebs' });
  await t.rejects(client.createKey({}), { code: 'LimitExceededException' });
});

void t.test('kill -9 during first uses leaves a whole key or none', async (t) => {
  const daemon = await TestDaemon.start(t);
  const first = await daemon.connect({ maxAttempts: 1 });
  const attempts = services.map((service) => first.describeKey({ keyId: `alias/aws/${service}` }));
  const settled = Promise.allSettled(attempts);
  await Promise.race([...attempts.slice(0, 3), setTimeout(5_000)]);
  await daemon.stop('SIGKILL');
  const acknowledged = (await settled).flatMap((result) =>
    result.status === 'fulfilled' ? [result.value.keyMetadata.keyId] : [],
  );
  await first.close().catch(() => undefined);
  await daemon.start();
  const client = await daemon.connect();
  const keyIds = (await client.listKeys({})).keys.map(({ keyId }) => keyId);
  const { aliases } = await client.listAliases({ limit: 100 });
  t.equal(aliases.filter(({ targetKeyId }) => targetKeyId).length, keyIds.length, 'each key has its alias');
  t.same(
    acknowledged.filter((keyId) => !keyIds.includes(keyId)),
    [],
  );
  t.ok(acknowledged.length > 0, `${acknowledged.length} keys were acknowledged`);
  for (const service of services) {
    await client.encrypt({ keyId: `alias/aws/${service}`, plaintext: Buffer.from('x') });
  }
  t.equal((await client.listKeys({})).keys.length, services.length);
  const objects = labels(daemon).filter((label) => uuid.test(label.replace('keyhold/', '')));
  t.equal(objects.length, services.length, 'no object is left over');
  t.equal(daemon.events('CreateKey').length, services.length, 'each creation is recorded');
  await client.close();
});

void t.test('no operation reaches a key of Keyhold itself', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const internal = labels(daemon).filter((label) => label.startsWith('keyhold/internal/'));
  t.ok(internal.length >= 3);
  const arn = 'arn:aws:kms:us-east-1:000000000000:';
  const names = internal.flatMap((label) => {
    const purpose = label.replace('keyhold/', '');
    return [label, purpose, `alias/${purpose}`, `${arn}key/${purpose}`, `${arn}alias/${label}`];
  });
  for (const keyId of names) {
    const code = /^(NotFoundException|InvalidArnException)$/;
    await t.rejects(client.describeKey({ keyId }), { code }, keyId);
    await t.rejects(client.encrypt({ keyId, plaintext: Buffer.from('x') }), { code });
    await t.rejects(client.scheduleKeyDeletion({ keyId }), { code });
  }
  t.same((await client.listKeys({})).keys, []);
});
