// The HSM of either Region fails while related keys are made equal: nothing is half made, and it is finished later.
import pkcs11 from 'pkcs11js';
import t from 'tap';
import { makeFaulty } from '../../faults/faulty-home.js';
import type { Faults } from '../../faults/faults.js';
import { describe } from '../../support/imports.js';
import { labels } from '../../support/token.js';
import { startLinkedRegions, type TestRegion, there, until } from '../../support/regions.js';

const faults = new Map<string, Faults>();
const [primary, replica] = await startLinkedRegions(t, {
  prepare: (daemon, name) => faults.set(name, makeFaulty(daemon)),
});
const inPrimary = faults.get(primary.name)!;
const inReplica = faults.get(replica.name)!;
const device = { argument: pkcs11.CKR_DEVICE_ERROR };

const settled = ({ client }: TestRegion, keyId: string) =>
  until(
    () => describe(client, keyId),
    ({ keyState }) => keyState === 'Enabled',
  );
const newKey = async () => (await primary.client.createKey({ multiRegion: true })).keyMetadata.keyId;
const objects = ({ daemon }: TestRegion, keyId: string) =>
  labels(daemon).filter((label) => label === `keyhold/${keyId}`).length;
const warned = ({ daemon }: TestRegion, keyId: string) =>
  until(
    () => daemon.health(),
    ({ warnings }) => warnings.some((warning) => warning.includes(keyId)),
  );

await t.test("the other Region's HSM does not unwrap", async (t) => {
  const keyId = await newKey();
  const rule = inReplica.add('C_UnwrapKey', 'fail', device);
  await primary.client.replicateKey({ keyId, replicaRegion: there });
  await warned(primary, keyId);
  t.ok(rule.fired > 0);
  t.match(await describe(replica.client, keyId), { keyState: 'Creating' });
  await t.rejects(replica.client.encrypt({ keyId, plaintext: Buffer.from('text') }), {
    code: 'KMSInvalidStateException',
    message: /is creating/,
  });
  rule.clear();
  await settled(replica, keyId);
  t.equal(objects(replica, keyId), 1, 'failed attempts leave nothing in the token');
});

await t.test('the HSM of the primary Region does not wrap', async (t) => {
  const keyId = await newKey();
  const rule = inPrimary.add('C_WrapKey', 'fail', device);
  await primary.client.replicateKey({ keyId, replicaRegion: there });
  await warned(primary, keyId);
  t.ok(rule.fired > 0);
  const { ciphertextBlob } = await primary.client.encrypt({ keyId, plaintext: Buffer.from('text') });
  rule.clear();
  await settled(replica, keyId);
  const { plaintext } = await replica.client.decrypt({ ciphertextBlob });
  t.equal(Buffer.from(plaintext).toString(), 'text');
});

await t.test('the HSM fails in a rotation', async (t) => {
  const keyId = await newKey();
  await primary.client.replicateKey({ keyId, replicaRegion: there });
  const { currentKeyMaterialId } = await settled(replica, keyId);
  const making = inPrimary.add('C_GenerateKey', 'fail', device);
  await t.rejects(primary.client.rotateKeyOnDemand({ keyId }));
  making.clear();
  t.match(await describe(primary.client, keyId), { keyState: 'Enabled', currentKeyMaterialId });
  const taking = inReplica.add('C_UnwrapKey', 'fail', device);
  await primary.client.rotateKeyOnDemand({ keyId });
  await warned(primary, keyId);
  t.match(await describe(primary.client, keyId), { keyState: 'Updating', currentKeyMaterialId });
  t.match(await describe(replica.client, keyId), { currentKeyMaterialId });
  taking.clear();
  const rotated = await settled(primary, keyId);
  t.not(rotated.currentKeyMaterialId, currentKeyMaterialId);
  await until(
    () => describe(replica.client, keyId),
    (now) => now.currentKeyMaterialId === rotated.currentKeyMaterialId,
  );
  t.same([objects(primary, keyId), objects(replica, keyId)], [2, 2]);
});
