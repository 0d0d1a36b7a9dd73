// What a key allows while a change has not reached all of its Regions, and while its deletion waits for its replicas.
import t, { type Test } from 'tap';
import type { Client } from '../../../client/index.js';
import type { KeyMetadata } from '../../../proto/generated/messages.js';
import {
  here,
  linkRegions,
  restart,
  startRegion,
  type TestRegion,
  there,
  until,
} from '../../support/regions.js';

// Outside of scripts/test, tap's limit is 30 s.
t.setTimeout(300_000);

const third = 'ap-south-1';
const [one, two, three] = await Promise.all([
  startRegion(t, here),
  startRegion(t, there),
  startRegion(t, third),
]);
await linkRegions(t, one, two);
await linkRegions(t, one, three);
await linkRegions(t, two, three);

const metadata = async ({ client }: TestRegion, keyId: string) =>
  (await client.describeKey({ keyId })).keyMetadata;
const reaches = (region: TestRegion, keyId: string, isSo: (key: KeyMetadata) => boolean) =>
  until(() => metadata(region, keyId), isSo);
const isEnabled = ({ keyState }: KeyMetadata) => keyState === 'Enabled';

/** Creates a key with a replica in each other Region. */
async function everywhere(): Promise<string> {
  const { keyId } = (await one.client.createKey({ multiRegion: true })).keyMetadata;
  for (const { name } of [two, three]) await one.client.replicateKey({ keyId, replicaRegion: name });
  for (const region of [one, two, three]) await reaches(region, keyId, isEnabled);
  return keyId;
}

type Attempts = Readonly<Record<string, (client: Client, keyId: string) => Promise<unknown>>>;

const plaintext = Buffer.from('attack at dawn');
/** What concerns one Region alone. */
const ofOneRegion: Attempts = {
  Encrypt: (c, keyId) => c.encrypt({ keyId, plaintext }),
  GenerateDataKey: (c, keyId) => c.generateDataKey({ keyId, keySpec: 'AES_256' }),
  TagResource: (c, keyId) => c.tagResource({ keyId, tags: [{ tagKey: 'a', tagValue: 'b' }] }),
  UntagResource: (c, keyId) => c.untagResource({ keyId, tagKeys: ['a'] }),
  UpdateKeyDescription: (c, keyId) => c.updateKeyDescription({ keyId, description: 'changed' }),
  CreateAlias: (c, keyId) => c.createAlias({ aliasName: `alias/${keyId}`, targetKeyId: keyId }),
  CreateGrant: (c, keyId) =>
    c.createGrant({ keyId, granteePrincipal: 'arn:aws:iam::000000000000:root', operations: ['Decrypt'] }),
  DisableKey: (c, keyId) => c.disableKey({ keyId }),
  EnableKey: (c, keyId) => c.enableKey({ keyId }),
};
/** What each state of these tests allows. */
const always: Attempts = {
  DescribeKey: (c, keyId) => c.describeKey({ keyId }),
  GetKeyRotationStatus: (c, keyId) => c.getKeyRotationStatus({ keyId }),
  ListKeyRotations: (c, keyId) => c.listKeyRotations({ keyId }),
  PutKeyPolicy: async (c, keyId) =>
    c.putKeyPolicy({ keyId, policy: (await c.getKeyPolicy({ keyId })).policy }),
  DeleteAlias: (c, keyId) => c.deleteAlias({ aliasName: `alias/${keyId}` }),
};
/** What all Regions must agree on. */
const ofAllRegions: Attempts = {
  EnableKeyRotation: (c, keyId) => c.enableKeyRotation({ keyId }),
  DisableKeyRotation: (c, keyId) => c.disableKeyRotation({ keyId }),
  RotateKeyOnDemand: (c, keyId) => c.rotateKeyOnDemand({ keyId }),
  ReplicateKey: (c, keyId) => c.replicateKey({ keyId, replicaRegion: 'eu-west-1' }),
  UpdatePrimaryRegion: (c, keyId) => c.updatePrimaryRegion({ keyId, primaryRegion: there }),
  ScheduleKeyDeletion: (c, keyId) => c.scheduleKeyDeletion({ keyId }),
};

async function walk(t: Test, keyId: string, allowed: Attempts, refused: Attempts, words: RegExp) {
  for (const [name, attempt] of Object.entries(refused))
    await t.rejects(attempt(one.client, keyId), { code: 'KMSInvalidStateException', message: words }, name);
  for (const [name, attempt] of Object.entries(allowed)) await t.resolves(attempt(one.client, keyId), name);
}

await t.test('a rotation waits for a Region that is away', async (t) => {
  const keyId = await everywhere();
  const { currentKeyMaterialId } = await metadata(one, keyId);
  await three.daemon.stop('SIGKILL');
  await one.client.rotateKeyOnDemand({ keyId });
  t.match(await metadata(one, keyId), { keyState: 'Updating', currentKeyMaterialId });
  await walk(t, keyId, { ...ofOneRegion, ...always }, ofAllRegions, /is updating\.$/);
  const { ciphertextBlob } = await one.client.encrypt({ keyId, plaintext });
  await restart(three);
  const isRotated = (key: KeyMetadata) => key.currentKeyMaterialId !== currentKeyMaterialId;
  const { currentKeyMaterialId: fresh } = await reaches(three, keyId, isRotated);
  await reaches(one, keyId, isEnabled);
  for (const region of [one, two, three]) {
    t.match(await metadata(region, keyId), { keyState: 'Enabled', currentKeyMaterialId: fresh });
    t.match(await region.client.decrypt({ ciphertextBlob }), { plaintext });
  }
});

await t.test('a change of the primary Region waits for a Region that is away', async (t) => {
  const keyId = await everywhere();
  await three.daemon.stop('SIGKILL');
  await one.client.updatePrimaryRegion({ keyId, primaryRegion: there });
  t.match(await metadata(one, keyId), {
    keyState: 'Updating',
    multiRegionConfiguration: { multiRegionKeyType: 'PRIMARY' },
  });
  await walk(t, keyId, { ...ofOneRegion, ...always }, ofAllRegions, /is updating\.$/);
  await one.client.disableKey({ keyId });
  t.match(await metadata(one, keyId), { keyState: 'Disabled' });
  t.match(await one.client.scheduleKeyDeletion({ keyId }), { keyState: 'PendingReplicaDeletion' });
  t.match(await two.client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 8 }), {
    keyState: 'PendingDeletion',
  });
  await restart(three);
  const isPrimary = ({ multiRegionConfiguration }: KeyMetadata) =>
    multiRegionConfiguration?.multiRegionKeyType === 'PRIMARY';
  await reaches(two, keyId, isPrimary);
  await reaches(one, keyId, (key) => !isPrimary(key));
  t.match(
    await metadata(one, keyId),
    { keyState: 'PendingDeletion', deletionDate: Number, pendingDeletionWindowInDays: undefined },
    'the former primary key does not wait for replicas',
  );
  t.match(
    await metadata(two, keyId),
    { keyState: 'PendingReplicaDeletion', deletionDate: undefined, pendingDeletionWindowInDays: 8 },
    'the new primary key does',
  );
  for (const { client } of [one, two]) {
    await client.cancelKeyDeletion({ keyId });
    await client.enableKey({ keyId });
  }
  const related = { primaryKey: { region: there }, replicaKeys: [{ region: third }, { region: here }] };
  for (const region of [one, two, three])
    t.match(
      await reaches(region, keyId, (key) => key.multiRegionConfiguration?.primaryKey.region === there),
      { keyState: 'Enabled', multiRegionConfiguration: related },
      region.name,
    );
  t.match(await one.client.scheduleKeyDeletion({ keyId }), { keyState: 'PendingDeletion' });
  t.match(await two.client.scheduleKeyDeletion({ keyId }), { keyState: 'PendingReplicaDeletion' });
});

await t.test('a primary key whose deletion waits for its replicas', async (t) => {
  const keyId = await everywhere();
  const { ciphertextBlob } = await one.client.encrypt({ keyId, plaintext });
  await one.client.createAlias({ aliasName: `alias/${keyId}`, targetKeyId: keyId });
  await one.client.scheduleKeyDeletion({ keyId });
  const { CreateAlias, ...others } = ofOneRegion;
  t.type(CreateAlias, 'function');
  const refused = { ...others, ...ofAllRegions };
  await walk(t, keyId, always, refused, /is pending replica deletion\.$/);
  for (const { client } of [two, three]) t.match(await client.decrypt({ ciphertextBlob }), { plaintext });
  await one.client.cancelKeyDeletion({ keyId });
  await one.client.enableKey({ keyId });
  t.match(await one.client.decrypt({ ciphertextBlob }), { plaintext });
});

for (const { client } of [one, two, three]) await client.close();
