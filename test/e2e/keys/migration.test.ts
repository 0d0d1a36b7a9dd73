import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { MovableClock } from '../../support/clock.js';
import { addTokens, connectedStore, reaches } from '../../support/custom-key-store.js';
import { TestDaemon } from '../../support/daemon.js';
import { labels } from '../../support/token.js';

const plaintext = Buffer.from('attack at dawn');
const encryptionContext = { a: 'b' };

void t.test(
  'a symmetric key moves to another key store, and its old ciphertexts still decrypt',
  async (t) => {
    const daemon = await TestDaemon.initialise();
    t.teardown(() => daemon.remove());
    const [token] = addTokens(daemon, { label: 'old' });
    daemon.configure('deletionCautionHours: 0');
    const clock = new MovableClock(daemon.home);
    await daemon.start(clock.env);
    const client = await daemon.connect({ maxAttempts: 1 });
    t.teardown(() => client.close());
    const customKeyStoreId = await connectedStore(client, token!);
    const place = { customKeyStoreId, origin: 'AWS_CLOUDHSM' } as const;
    const made = (await client.createKey(place)).keyMetadata;
    const keyId = made.keyId;
    const signing = { ...place, keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' } as const;
    const pair = (await client.createKey(signing)).keyMetadata.keyId;
    const older = (await client.encrypt({ keyId, plaintext, encryptionContext })).ciphertextBlob;
    const opened = async (ciphertextBlob: Uint8Array) => {
      const answer = await client.decrypt({ ciphertextBlob, encryptionContext });
      return { text: Buffer.from(answer.plaintext).toString(), material: answer.keyMaterialId };
    };

    const { code, stdout } = await daemon.cli(['migrate', '--from', 'old', '--to', 'default']);
    t.equal(code, 0);
    t.match(stdout, /^Nothing is exported or re-encrypted/);
    t.match(stdout, new RegExp(`^moved ${keyId}`, 'm'));
    t.match(
      stdout,
      new RegExp(
        `${pair} cannot be migrated: a ECC_NIST_P256 key has one material, which never leaves its HSM`,
      ),
    );
    t.match(stdout, /^1 moved, 1 not moved$/m);
    const moved = (await client.describeKey({ keyId })).keyMetadata;
    t.match(moved, { origin: 'AWS_KMS', keyState: 'Enabled', arn: made.arn });
    t.equal(moved.customKeyStoreId, undefined);
    t.not(moved.currentKeyMaterialId, made.currentKeyMaterialId);
    const asked = daemon.events('MigrateKey').map(({ requestParameters }) => requestParameters);
    t.same(new Set(asked.map((each) => (each as { keyId?: string }).keyId)), new Set([keyId, pair]));

    const newer = (await client.encrypt({ keyId, plaintext, encryptionContext })).ciphertextBlob;
    const both = async () => {
      t.same(await opened(older), { text: 'attack at dawn', material: made.currentKeyMaterialId });
      t.same(await opened(newer), { text: 'attack at dawn', material: moved.currentKeyMaterialId });
    };
    await both();
    t.ok(labels(daemon).includes(`keyhold/${keyId}`) && token!.labels.includes(`keyhold/${keyId}`));
    const lifted = await client.reEncrypt({
      ciphertextBlob: older,
      sourceEncryptionContext: encryptionContext,
      destinationKeyId: keyId,
      destinationEncryptionContext: encryptionContext,
    });
    t.equal((await opened(lifted.ciphertextBlob)).material, moved.currentKeyMaterialId);
    t.match(await client.migrateKey({ keyId }), {
      migrated: false,
      keyMaterialId: moved.currentKeyMaterialId,
    });

    await daemon.stop('SIGKILL');
    await daemon.start(clock.env);
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
    await both();
    t.same((await daemon.health()).warnings, []);

    await client.disconnectCustomKeyStore({ customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'DISCONNECTED'));
    t.equal((await opened(newer)).text, 'attack at dawn', 'the ciphertext decrypts without the old store');
    await t.rejects(opened(older), { code: 'KMSInvalidStateException' });
    await t.rejects(client.deleteCustomKeyStore({ customKeyStoreId }), {
      code: 'CustomKeyStoreHasCMKsException',
    });
    await client.connectCustomKeyStore({ customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));

    await client.enableKeyRotation({ keyId });
    const back = await client.migrateKey({ keyId, customKeyStoreId });
    t.equal(back.migrated, true);
    t.match((await client.describeKey({ keyId })).keyMetadata, place);
    const newest = (await client.encrypt({ keyId, plaintext, encryptionContext })).ciphertextBlob;
    t.equal((await opened(newest)).material, back.keyMaterialId);
    await both();
    t.match(await client.getKeyRotationStatus({ keyId }), { keyRotationEnabled: false });

    await client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 7 });
    clock.move('+8d');
    const label = `keyhold/${keyId}`;
    const isLeft = () => [...labels(daemon), ...token!.labels].includes(label);
    for (const end = Date.now() + 60_000; Date.now() < end && isLeft();) await sleep(250);
    t.notOk(isLeft(), 'deletion destroys its material in both tokens');
  },
);

void t.test('keys that cannot move say why', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const [token] = addTokens(daemon, { label: 'other' });
  await daemon.start();
  const client = await daemon.connect({ maxAttempts: 1 });
  t.teardown(() => client.close());
  const customKeyStoreId = await connectedStore(client, token!);
  const create = async (request: Parameters<typeof client.createKey>[0]) =>
    (await client.createKey(request)).keyMetadata.keyId;
  const stays = async (keyId: string, reason: RegExp) =>
    t.rejects(client.migrateKey({ keyId, customKeyStoreId }), {
      code: 'UnsupportedOperationException',
      message: reason,
    });
  await stays(await create({ origin: 'EXTERNAL' }), /its material was imported/);
  await stays(await create({ multiRegion: true }), /multi-Region/);
  await stays(await create({ keySpec: 'HMAC_256', keyUsage: 'GENERATE_VERIFY_MAC' }), /one material/);
  const disabled = await create({});
  await client.disableKey({ keyId: disabled });
  await t.rejects(client.migrateKey({ keyId: disabled, customKeyStoreId }), { code: 'DisabledException' });
  const pending = await create({});
  await client.scheduleKeyDeletion({ keyId: pending });
  await t.rejects(client.migrateKey({ keyId: pending, customKeyStoreId }), {
    code: 'KMSInvalidStateException',
  });
  t.same(token!.labels, []);
  await t.rejects(client.migrateKey({ keyId: disabled, customKeyStoreId: 'cks-00000000000000000' }), {
    code: 'CustomKeyStoreNotFoundException',
  });
  t.equal((await daemon.cli(['migrate', '--from', 'default'])).code, 2);
  t.equal((await daemon.cli(['migrate', '--from', 'default', '--to', 'no-such'])).code, 1);
});
