// A multi-Region key lives in two Regions with one ID and one material: replicated, rotated, its primary moved, deleted.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { here, startLinkedRegions, type TestRegion, there, until } from '../../support/regions.js';

const [primary, replica] = await startLinkedRegions(t);
const metadata = async ({ client }: TestRegion, keyId: string) =>
  (await client.describeKey({ keyId })).keyMetadata;
const settled = (region: TestRegion, keyId: string) =>
  until(
    () => metadata(region, keyId),
    ({ keyState }) => keyState === 'Enabled',
  );
const encrypt = async ({ client }: TestRegion, keyId: string, plaintext: Buffer) =>
  (await client.encrypt({ keyId, plaintext })).ciphertextBlob;
const decrypt = async ({ client }: TestRegion, ciphertextBlob: Uint8Array) =>
  Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext);
const arn = (region: string, keyId: string) => `arn:aws:kms:${region}:000000000000:key/${keyId}`;

/** Replicates a new key, and waits until the replica can be used. */
async function replicatedKey(options: object = {}): Promise<string> {
  const { keyMetadata } = await primary.client.createKey({ multiRegion: true, ...options });
  const { keyId } = keyMetadata;
  await primary.client.replicateKey({ keyId, replicaRegion: there });
  await settled(replica, keyId);
  return keyId;
}

await t.test('a key is replicated', async (t) => {
  const { keyMetadata } = await primary.client.createKey({ multiRegion: true, description: 'one' });
  const { keyId } = keyMetadata;
  t.match(keyId, /^mrk-[0-9a-f]{32}$/);
  t.match(keyMetadata.multiRegionConfiguration, {
    multiRegionKeyType: 'PRIMARY',
    primaryKey: { arn: arn(here, keyId), region: here },
  });
  const before = await encrypt(primary, keyId, Buffer.from('from before'));
  const answer = await primary.client.replicateKey({
    keyId,
    replicaRegion: there,
    description: 'two',
    tags: [{ tagKey: 'site', tagValue: 'there' }],
  });
  t.match(answer.replicaKeyMetadata, {
    keyId,
    arn: arn(there, keyId),
    keyState: 'Creating',
    description: 'two',
    multiRegionConfiguration: { multiRegionKeyType: 'REPLICA', replicaKeys: [{ region: there }] },
  });
  t.match(answer.replicaTags, [{ tagKey: 'site', tagValue: 'there' }]);
  const made = await settled(replica, keyId);
  t.match(made, {
    description: 'two',
    currentKeyMaterialId: keyMetadata.currentKeyMaterialId,
    multiRegionConfiguration: {
      multiRegionKeyType: 'REPLICA',
      primaryKey: { arn: arn(here, keyId), region: here },
      replicaKeys: [{ arn: arn(there, keyId), region: there }],
    },
  });
  t.match(await metadata(primary, keyId), { multiRegionConfiguration: { replicaKeys: [{ region: there }] } });
  t.equal((await decrypt(replica, before)).toString(), 'from before');
  const plaintext = randomBytes(100);
  t.same(await decrypt(primary, await encrypt(replica, keyId, plaintext)), plaintext);
  await t.rejects(primary.client.replicateKey({ keyId, replicaRegion: there }), {
    code: 'AlreadyExistsException',
  });
  await t.rejects(replica.client.replicateKey({ keyId, replicaRegion: here }), {
    code: 'UnsupportedOperationException',
  });
});

await t.test('a rotation is carried to the replica before it is used', async (t) => {
  const keyId = await replicatedKey();
  const old = await encrypt(primary, keyId, Buffer.from('old'));
  await t.rejects(replica.client.rotateKeyOnDemand({ keyId }), { code: 'UnsupportedOperationException' });
  await t.rejects(replica.client.enableKeyRotation({ keyId }), { code: 'UnsupportedOperationException' });
  const { currentKeyMaterialId } = await metadata(primary, keyId);
  await primary.client.rotateKeyOnDemand({ keyId });
  const rotated = await until(
    () => metadata(replica, keyId),
    (now) => now.currentKeyMaterialId !== currentKeyMaterialId,
  );
  t.equal((await settled(primary, keyId)).currentKeyMaterialId, rotated.currentKeyMaterialId);
  const fresh = await encrypt(primary, keyId, Buffer.from('new'));
  t.equal((await decrypt(replica, fresh)).toString(), 'new');
  t.equal((await decrypt(replica, old)).toString(), 'old');
  await primary.client.enableKeyRotation({ keyId, rotationPeriodInDays: 180 });
  await until(
    () => replica.client.getKeyRotationStatus({ keyId }),
    ({ rotationPeriodInDays }) => rotationPeriodInDays === 180,
  );
});

await t.test('the primary Region changes', async (t) => {
  const keyId = await replicatedKey();
  await t.rejects(primary.client.updatePrimaryRegion({ keyId, primaryRegion: here }), {
    code: 'UnsupportedOperationException',
  });
  await primary.client.updatePrimaryRegion({ keyId, primaryRegion: there });
  const isPrimary = ({ multiRegionConfiguration: c }: Awaited<ReturnType<typeof metadata>>) =>
    c?.multiRegionKeyType === 'PRIMARY';
  t.match(await until(() => metadata(replica, keyId), isPrimary), {
    multiRegionConfiguration: { primaryKey: { region: there }, replicaKeys: [{ region: here }] },
  });
  t.match(
    await until(
      () => metadata(primary, keyId),
      (now) => !isPrimary(now),
    ),
    {
      keyState: 'Enabled',
      multiRegionConfiguration: { primaryKey: { region: there }, replicaKeys: [{ region: here }] },
    },
  );
  await replica.client.rotateKeyOnDemand({ keyId });
  const { currentKeyMaterialId } = await metadata(primary, keyId);
  await until(
    () => metadata(primary, keyId),
    (now) => now.currentKeyMaterialId !== currentKeyMaterialId,
  );
  const fresh = await encrypt(primary, keyId, Buffer.from('here'));
  t.equal((await decrypt(replica, fresh)).toString(), 'here');
});

await t.test('a primary key is deleted after its replicas', async (t) => {
  const keyId = await replicatedKey();
  t.match(await primary.client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 7 }), {
    keyState: 'PendingReplicaDeletion',
    deletionDate: undefined,
  });
  t.match(await metadata(primary, keyId), {
    keyState: 'PendingReplicaDeletion',
    pendingDeletionWindowInDays: 7,
  });
  await primary.client.cancelKeyDeletion({ keyId });
  t.match(await metadata(primary, keyId), { keyState: 'Disabled' });
});
