// A primary key is deleted after its replicas: its waiting period begins when the last of them is gone.
import t from 'tap';
import { describe } from '../../support/imports.js';
import { labels } from '../../support/token.js';
import { restart, startLinkedRegions, there, until } from '../../support/regions.js';

const [primary, replica] = await startLinkedRegions(t, { yaml: 'deletionCautionHours: 0', movesClock: true });
const { keyId } = (await primary.client.createKey({ multiRegion: true })).keyMetadata;
const stateOf = async (region: typeof replica) => (await describe(region.client, keyId)).keyState;
const stateBecomes = (region: typeof replica, wanted: string) =>
  until(
    () => stateOf(region),
    (state) => state === wanted,
  );
const isGone = (region: typeof replica) =>
  until(
    () => stateOf(region).catch((error: { code?: string }) => error.code),
    (state) => state === 'NotFoundException',
  );
const objects = ({ daemon }: typeof replica) =>
  labels(daemon).filter((label) => label === `keyhold/${keyId}`).length;

await primary.client.replicateKey({ keyId, replicaRegion: there });
await stateBecomes(replica, 'Enabled');
await primary.client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 7 });
await replica.client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 7 });

await t.test(
  'the waiting period of the primary key does not begin before the replica is deleted',
  async (t) => {
    for (const { clock } of [primary, replica]) clock!.move('+6d');
    await new Promise((done) => setTimeout(done, 2_500));
    t.equal(await stateOf(primary), 'PendingReplicaDeletion');
    t.equal(await stateOf(replica), 'PendingDeletion');
    t.match(await describe(primary.client, keyId), {
      multiRegionConfiguration: { replicaKeys: [{ region: there }] },
      deletionDate: undefined,
    });
  },
);

await t.test('a replica is deleted while the primary Region is away, which learns of it later', async (t) => {
  await primary.client.close();
  await primary.daemon.stop();
  replica.clock!.move('+8d');
  await isGone(replica);
  t.equal(objects(replica), 0);
  // A client signs with this machine's clock.
  for (const { clock } of [primary, replica]) clock!.move('+0');
  await restart(replica, 'SIGKILL');
  await restart(primary);
  await stateBecomes(primary, 'PendingDeletion');
  const { deletionDate, multiRegionConfiguration } = await describe(primary.client, keyId);
  const days = (deletionDate! - Date.now() / 1000) / 86_400;
  t.ok(days > 6.9 && days < 7.1, `the waiting period begins now and ends in ${days} days`);
  t.same(multiRegionConfiguration?.replicaKeys ?? [], []);
});

await t.test('the primary key is deleted, and both logs verify', async (t) => {
  primary.clock!.move('+8d');
  await isGone(primary);
  t.equal(objects(primary), 0);
  for (const region of [primary, replica]) {
    await region.client.close();
    await region.daemon.stop();
    t.match(await region.daemon.admin('audit-verify'), { code: 0 });
  }
  t.equal(primary.daemon.events('DeleteKey').length, 1);
  t.equal(replica.daemon.events('DeleteKey').length, 1);
});
