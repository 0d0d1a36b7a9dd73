// Multi-Region keys with imported material: it is imported into each Region, and must be the same.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import t from 'tap';
import { describe, doesNotExpire, newExternalKey, parametersFor, symmetric } from '../../support/imports.js';
import { startLinkedRegions, there, until } from '../../support/regions.js';

const [primary, replica] = await startLinkedRegions(t);
const newMaterial = { ...doesNotExpire, importType: 'NEW_KEY_MATERIAL' } as const;
const stateOf = async (region: typeof replica, keyId: string) =>
  (await describe(region.client, keyId)).keyState;
const rotations = async ({ client }: typeof replica, keyId: string) =>
  (await client.listKeyRotations({ keyId, includeKeyMaterial: 'ALL_KEY_MATERIAL' })).rotations ?? [];

await t.test('a replica takes the material of its primary key, and no other', async (t) => {
  const keyId = await newExternalKey(primary.client, { ...symmetric, multiRegion: true });
  await t.rejects(primary.client.replicateKey({ keyId, replicaRegion: there }), {
    code: 'KMSInvalidStateException',
    message: /is pending import/,
  });
  const [first, second] = [randomBytes(32), randomBytes(32)];
  const id = await (await parametersFor(primary.client, keyId)).import(first);
  await primary.client.replicateKey({ keyId, replicaRegion: there });
  await until(
    () => stateOf(replica, keyId),
    (state) => state === 'PendingImport',
  );
  const parameters = await parametersFor(replica.client, keyId);
  await t.rejects(parameters.import(second), { code: 'IncorrectKeyMaterialException' });
  await t.rejects(parameters.import(first, newMaterial), { code: 'UnsupportedOperationException' });
  t.equal(await parameters.import(first), id, 'the same material has the same ID in both Regions');
  t.equal(await stateOf(replica, keyId), 'Enabled');
  const { ciphertextBlob } = await replica.client.encrypt({ keyId, plaintext: Buffer.from('text') });
  t.equal(Buffer.from((await primary.client.decrypt({ ciphertextBlob })).plaintext).toString(), 'text');

  const next = await (await parametersFor(primary.client, keyId)).import(second, newMaterial);
  const pending = () => rotations(primary, keyId);
  t.match((await pending()).at(-1), {
    keyMaterialId: next,
    keyMaterialState: 'PENDING_MULTI_REGION_IMPORT_AND_ROTATION',
  });
  await t.rejects(primary.client.rotateKeyOnDemand({ keyId }), {
    code: 'KMSInvalidStateException',
    message: /No available key material pending rotation for the key: .*eu-central-1/,
  });
  await until(
    () => rotations(replica, keyId),
    (all) => all.at(-1)?.keyMaterialId === next,
  );
  t.equal(await parameters.import(second), next);
  await until(pending, (all) => all.at(-1)?.keyMaterialState === 'PENDING_ROTATION');
  await primary.client.rotateKeyOnDemand({ keyId });
  await until(
    () => describe(replica.client, keyId),
    ({ currentKeyMaterialId, keyState }) => currentKeyMaterialId === next && keyState === 'Enabled',
  );
  const fresh = await primary.client.encrypt({ keyId, plaintext: Buffer.from('new') });
  const { plaintext } = await replica.client.decrypt({ ciphertextBlob: fresh.ciphertextBlob });
  t.equal(Buffer.from(plaintext).toString(), 'new');

  await replica.client.deleteImportedKeyMaterial({ keyId });
  t.equal(await stateOf(replica, keyId), 'PendingImport');
  t.equal(await stateOf(primary, keyId), 'Enabled', 'the material of other Regions stays');
});

await t.test('pending material that the primary key drops, its replica drops too', async (t) => {
  const keyId = await newExternalKey(primary.client, { ...symmetric, multiRegion: true });
  const parameters = await parametersFor(primary.client, keyId);
  const [first, second] = [randomBytes(32), randomBytes(32)];
  await parameters.import(first);
  await primary.client.replicateKey({ keyId, replicaRegion: there });
  await until(
    () => stateOf(replica, keyId),
    (state) => state === 'PendingImport',
  );
  const other = await parametersFor(replica.client, keyId);
  await other.import(first);
  const keyMaterialId = await parameters.import(second, newMaterial);
  await until(
    () => rotations(replica, keyId),
    (all) => all.length === 2,
  );
  await other.import(second);
  await primary.client.deleteImportedKeyMaterial({ keyId, keyMaterialId });
  const left = await until(
    () => rotations(replica, keyId),
    (all) => all.length === 1,
  );
  t.match(left, [{ keyMaterialState: 'CURRENT' }]);
  t.equal(await stateOf(replica, keyId), 'Enabled');
});

await t.test('material that was deleted is imported again, in a replica and in a former one', async (t) => {
  const keyId = await newExternalKey(primary.client, { ...symmetric, multiRegion: true });
  const material = randomBytes(32);
  const id = await (await parametersFor(primary.client, keyId)).import(material);
  await primary.client.replicateKey({ keyId, replicaRegion: there });
  const becomes = (region: typeof replica, wanted: string) =>
    until(
      () => stateOf(region, keyId),
      (state) => state === wanted,
    );
  await becomes(replica, 'PendingImport');
  const parameters = await parametersFor(replica.client, keyId);
  for (const attempt of ['first', 'again']) {
    t.equal(await parameters.import(material), id, attempt);
    await replica.client.deleteImportedKeyMaterial({ keyId });
  }
  await parameters.import(material);
  await primary.client.updatePrimaryRegion({ keyId, primaryRegion: there });
  await until(
    () => describe(replica.client, keyId),
    ({ multiRegionConfiguration }) => multiRegionConfiguration?.multiRegionKeyType === 'PRIMARY',
  );
  await replica.client.deleteImportedKeyMaterial({ keyId });
  t.equal(await parameters.import(material), id, 'the primary key that was a replica');
  t.equal(await stateOf(replica, keyId), 'Enabled');
});

for (const [keySpec, keyUsage] of [
  ['HMAC_256', 'GENERATE_VERIFY_MAC'],
  ['ECC_NIST_P256', 'SIGN_VERIFY'],
] as const) {
  await t.test(`${keySpec}`, async (t) => {
    const keyId = await newExternalKey(primary.client, { keySpec, keyUsage, multiRegion: true });
    const material = keySpec === 'HMAC_256' ? randomBytes(32) : pkcs8();
    await (await parametersFor(primary.client, keyId)).import(material);
    await primary.client.replicateKey({ keyId, replicaRegion: there });
    await until(
      () => stateOf(replica, keyId),
      (state) => state === 'PendingImport',
    );
    const parameters = await parametersFor(replica.client, keyId);
    const wrong = keySpec === 'HMAC_256' ? randomBytes(32) : pkcs8();
    await t.rejects(parameters.import(wrong), { code: 'IncorrectKeyMaterialException' });
    await parameters.import(material);
    t.equal(await stateOf(replica, keyId), 'Enabled');
  });
}

function pkcs8(): Buffer {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return privateKey.export({ type: 'pkcs8', format: 'der' });
}
