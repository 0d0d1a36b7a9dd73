// The life of imported material: deleted and imported again, expired, rotated to, across restarts and kill -9.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Client } from '../../../client/index.js';
import { MovableClock } from '../../support/clock.js';
import { TestDaemon } from '../../support/daemon.js';
import { describe, doesNotExpire, newExternalKey, parametersFor } from '../../support/imports.js';
import { labels } from '../../support/token.js';

const plaintext = Buffer.from('attack at dawn');
const newMaterialType = { ...doesNotExpire, importType: 'NEW_KEY_MATERIAL' } as const;

async function begin(t: Test, configuration = '') {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  daemon.configure(`deletionCautionHours: 0\n${configuration}`);
  const clock = new MovableClock(daemon.home);
  await daemon.start(clock.env);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  return { daemon, clock, client };
}

async function restarted(daemon: TestDaemon, clock: MovableClock, signal: NodeJS.Signals = 'SIGTERM') {
  await daemon.stop(signal);
  await daemon.start(clock.env);
}

async function eventually(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 300; tries++) {
    if (await condition()) return true;
    await sleep(50);
  }
  return false;
}

const objectsOf = (daemon: TestDaemon, keyId: string) =>
  labels(daemon).filter((label) => label === `keyhold/${keyId}`).length;

async function opens(client: Client, ciphertextBlob: Uint8Array | undefined): Promise<string> {
  const { plaintext: opened } = await client.decrypt({ ciphertextBlob });
  return Buffer.from(opened).toString();
}

void t.test('deleted material decrypts its ciphertexts once it is imported again', async (t) => {
  const { daemon, clock, client } = await begin(t);
  const keyId = await newExternalKey(client);
  const material = randomBytes(32);
  const parameters = await parametersFor(client, keyId);
  const keyMaterialId = await parameters.import(material);
  t.match(await describe(client, keyId), { currentKeyMaterialId: keyMaterialId });
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
  t.match(await client.deleteImportedKeyMaterial({ keyId }), { keyMaterialId });
  t.match(await describe(client, keyId), { keyState: 'PendingImport', enabled: false });
  t.notOk('expirationModel' in (await describe(client, keyId)));
  t.equal(objectsOf(daemon, keyId), 0, 'its object is gone before the reply');
  await t.rejects(client.decrypt({ ciphertextBlob }), { code: 'KMSInvalidStateException' });
  await client.deleteImportedKeyMaterial({ keyId });
  const arn = `arn:aws:kms:us-east-1:000000000000:key/${keyId}`;
  const incorrect = (message: string) => ({ code: 'IncorrectKeyMaterialException', message });
  const unexpected = (id: string) =>
    incorrect(`Imported key material does not have the expected identifier (${id}).`);
  await t.rejects(parameters.import(randomBytes(32)), unexpected(keyMaterialId));
  await t.rejects(
    parameters.import(material, newMaterialType),
    incorrect(
      `Key material (id: ${keyMaterialId}) being imported as NEW_KEY_MATERIAL is already associated with KMS key ${arn}.`,
    ),
  );
  const wrong = 'f'.repeat(64);
  await t.rejects(parameters.import(material, { ...doesNotExpire, keyMaterialId: wrong }), unexpected(wrong));
  await t.rejects(client.deleteImportedKeyMaterial({ keyId, keyMaterialId: wrong }), {
    code: 'ValidationException',
    message: `Key material (id: ${wrong}) has never been imported into KMS key ${arn}.`,
  });
  await client.close();
  await restarted(daemon, clock);
  const again = await daemon.connect();
  t.teardown(() => again.close());
  t.match(await describe(again, keyId), { keyState: 'PendingImport' });
  const anew = await parametersFor(again, keyId, 'RSAES_OAEP_SHA_256', 'RSA_3072');
  t.equal(await anew.import(material, { ...doesNotExpire, keyMaterialId }), keyMaterialId);
  t.equal(await opens(again, ciphertextBlob), plaintext.toString());
  const other = await newExternalKey(again);
  t.not(
    await (await parametersFor(again, other)).import(material),
    keyMaterialId,
    'the same material has another ID in another key',
  );

  await t.test('importing the same material again changes only its expiry', async (t) => {
    const validTo = Math.floor(Date.now() / 1000) + 3_600;
    const objects = labels(daemon).length;
    t.equal(await anew.import(material, { validTo }), keyMaterialId);
    t.match(await describe(again, keyId), { expirationModel: 'KEY_MATERIAL_EXPIRES', validTo });
    t.equal(labels(daemon).length, objects);
    t.equal(await opens(again, ciphertextBlob), plaintext.toString());
  });

  await t.test('every step is in the audit log', async (t) => {
    for (const name of ['GetParametersForImport', 'ImportKeyMaterial', 'DeleteImportedKeyMaterial'])
      t.ok(
        daemon.events(name).some(({ errorCode }) => errorCode === undefined),
        name,
      );
    t.match(daemon.events('ImportKeyMaterial').at(-1), {
      additionalEventData: { keyMaterialId },
      resources: [{ ARN: `arn:aws:kms:us-east-1:000000000000:key/${keyId}` }],
    });
    const text = JSON.stringify(daemon.auditRecords());
    for (const form of ['hex', 'base64'] as const) t.notOk(text.includes(material.toString(form)));
    t.notOk(text.includes(Buffer.from(anew.importToken).toString('base64')));
    await daemon.stop();
    t.match(await daemon.admin('audit-verify'), { code: 0 });
  });
});

void t.test('expiry', async (t) => {
  const { daemon, clock, client } = await begin(t, 'limits:\n  wrappingKeysPerKey: 8');
  const keyId = await newExternalKey(client);
  const material = randomBytes(32);
  const parameters = await parametersFor(client, keyId);
  const validTo = Math.floor(Date.now() / 1000) + 7_200;
  await parameters.import(material, { validTo });
  t.match(await describe(client, keyId), { expirationModel: 'KEY_MATERIAL_EXPIRES', validTo });
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });

  await t.test('expired material is not used any more, and is destroyed at once', async (t) => {
    clock.move('+2h');
    await t.rejects(client.decrypt({ ciphertextBlob }), { code: 'KMSInvalidStateException' });
    t.ok(await eventually(() => daemon.events('DeleteExpiredKeyMaterial').length === 1));
    t.ok(await eventually(() => objectsOf(daemon, keyId) === 0));
    t.match(daemon.events('DeleteExpiredKeyMaterial'), [
      { userIdentity: { type: 'AWSService' }, serviceEventDetails: { keyId } },
    ]);
    await parameters.import(material);
    t.equal(await opens(client, ciphertextBlob), plaintext.toString());
  });

  await t.test('even if it expires while the daemon is stopped, and the clock was stepped', async (t) => {
    await parameters.import(material, { validTo: validTo + 7_200 });
    await client.close();
    await daemon.stop();
    clock.move('+5h');
    await daemon.start(clock.env);
    t.ok(await eventually(() => daemon.events('DeleteExpiredKeyMaterial').length === 2));
    t.ok(await eventually(() => objectsOf(daemon, keyId) === 0));
  });

  await t.test('an import token is valid for 24 hours, then its wrapping key is destroyed', async (t) => {
    const wrapping = () => labels(daemon).filter((label) => label === `keyhold/wrapping/${keyId}`).length;
    const { env } = clock;
    t.equal(wrapping(), 2, 'both halves of the wrapping key exist');
    await daemon.stop();
    clock.move('+25h');
    await daemon.start(env);
    t.ok(await eventually(() => wrapping() === 0));
    t.match(daemon.events('DeleteExpiredWrappingKey'), [{ serviceEventDetails: { keyId } }]);
    // At the daemon's time no signature of this process is valid.
    const token = Buffer.from(parameters.importToken).toString('base64');
    const wrapped = parameters.wrap(material).toString('base64');
    const args = ['import-key-material', '--key-id', keyId, '--import-token', token];
    const more = ['--encrypted-key-material', wrapped, '--expiration-model', 'KEY_MATERIAL_DOES_NOT_EXPIRE'];
    const refused = await daemon.cli([...args, ...more], { env });
    t.match(refused, { code: 1, stderr: /ExpiredImportTokenException/ });
  });
});

void t.test('rotation to imported material', async (t) => {
  const { client } = await begin(t);
  const keyId = await newExternalKey(client);
  const [first, second] = [randomBytes(32), randomBytes(32)];
  const parameters = await parametersFor(client, keyId);
  const firstId = await parameters.import(first, { ...doesNotExpire, keyMaterialDescription: 'the first' });
  const old = (await client.encrypt({ keyId, plaintext })).ciphertextBlob;
  await t.rejects(client.rotateKeyOnDemand({ keyId }), { code: 'KMSInvalidStateException' });
  await t.rejects(client.enableKeyRotation({ keyId }), { code: 'UnsupportedOperationException' });
  t.match(await client.getKeyRotationStatus({ keyId }), { keyRotationEnabled: false });
  const secondId = await parameters.import(second, newMaterialType);
  await t.rejects(parameters.import(randomBytes(32), newMaterialType), { code: 'KMSInvalidStateException' });
  t.match(await describe(client, keyId), { currentKeyMaterialId: firstId, keyState: 'Enabled' });
  t.same((await client.listKeyRotations({ keyId })).rotations, []);
  const listed = async () =>
    (await client.listKeyRotations({ keyId, includeKeyMaterial: 'ALL_KEY_MATERIAL' })).rotations;
  const imported = { importState: 'IMPORTED', ...doesNotExpire };
  t.match(await listed(), [
    { ...imported, keyMaterialId: firstId, keyMaterialState: 'CURRENT', keyMaterialDescription: 'the first' },
    { ...imported, keyMaterialId: secondId, keyMaterialState: 'PENDING_ROTATION' },
  ]);

  await t.test('pending material can be deleted and leaves no trace', async (t) => {
    t.match(await client.deleteImportedKeyMaterial({ keyId, keyMaterialId: secondId }), {
      keyMaterialId: secondId,
    });
    t.match(await describe(client, keyId), { keyState: 'Enabled' });
    t.equal((await listed()).length, 1);
    await t.rejects(client.deleteImportedKeyMaterial({ keyId, keyMaterialId: secondId }), {
      code: 'ValidationException',
    });
    t.equal(await parameters.import(second, newMaterialType), secondId);
  });

  await t.test('RotateKeyOnDemand makes it current', async (t) => {
    await client.rotateKeyOnDemand({ keyId });
    t.match(await describe(client, keyId), { currentKeyMaterialId: secondId });
    const made = await client.encrypt({ keyId, plaintext });
    t.match(await client.decrypt({ ciphertextBlob: made.ciphertextBlob }), { keyMaterialId: secondId });
    t.equal(await opens(client, old), plaintext.toString());
    t.match((await client.listKeyRotations({ keyId })).rotations, [
      { keyMaterialId: secondId, rotationType: 'ON_DEMAND', rotationDate: Number },
    ]);
  });

  await t.test('all of its materials must be present for the key to be usable', async (t) => {
    await client.deleteImportedKeyMaterial({ keyId, keyMaterialId: firstId });
    t.match(await describe(client, keyId), { keyState: 'PendingImport' });
    await t.rejects(client.encrypt({ keyId, plaintext }), { code: 'KMSInvalidStateException' });
    await client.deleteImportedKeyMaterial({ keyId });
    t.match(await listed(), [
      { keyMaterialId: firstId, importState: 'PENDING_IMPORT', keyMaterialDescription: 'the first' },
      { keyMaterialId: secondId, importState: 'PENDING_IMPORT' },
    ]);
    await parameters.import(second);
    t.match(await describe(client, keyId), { keyState: 'PendingImport' });
    await parameters.import(first);
    t.match(await describe(client, keyId), { keyState: 'Enabled' });
    t.equal(await opens(client, old), plaintext.toString());
  });
});

void t.test(
  'imported material at the bound on messages no longer encrypts, and still decrypts',
  async (t) => {
    const { client } = await begin(t, 'limits:\n  messagesPerMaterial: 64');
    const keyId = await newExternalKey(client);
    const parameters = await parametersFor(client, keyId);
    const material = randomBytes(32);
    await parameters.import(material);
    const blobs: Uint8Array[] = [];
    const refused = { code: 'LimitExceededException' };
    for (let count = 0; count < 64; count++)
      blobs.push((await client.encrypt({ keyId, plaintext })).ciphertextBlob);
    await t.rejects(client.encrypt({ keyId, plaintext }), refused);
    await client.deleteImportedKeyMaterial({ keyId });
    await parameters.import(material);
    await t.rejects(
      client.encrypt({ keyId, plaintext }),
      refused,
      'importing it again does not reset the bound',
    );
    t.equal(await opens(client, blobs[0]), plaintext.toString());
    await parameters.import(randomBytes(32), newMaterialType);
    await client.rotateKeyOnDemand({ keyId });
    await client.encrypt({ keyId, plaintext });
  },
);

void t.test('deleting a key deletes its imported material and its wrapping keys', async (t) => {
  const { daemon, clock, client } = await begin(t);
  const keyId = await newExternalKey(client);
  const parameters = await parametersFor(client, keyId);
  await parameters.import(randomBytes(32));
  await parameters.import(randomBytes(32), newMaterialType);
  t.equal(objectsOf(daemon, keyId), 2);
  await client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 7 });
  clock.move('+8d');
  t.ok(await eventually(() => daemon.events('DeleteKey').length === 1));
  t.same(
    labels(daemon).filter((label) => label.includes(keyId)),
    [],
  );
});
