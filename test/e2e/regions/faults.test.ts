// Faults of one of two linked Regions: it is away, its token or store is older than it was, or requests meet each other.
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { describe } from '../../support/imports.js';
import { StoreCopies } from '../../support/store-copies.js';
import { here, restart, startLinkedRegions, type TestRegion, there, until } from '../../support/regions.js';

const [primary, replica] = await startLinkedRegions(t);
const settled = ({ client }: TestRegion, keyId: string) =>
  until(
    () => describe(client, keyId),
    ({ keyState }) => keyState === 'Enabled',
  );
const materialOf = async ({ client }: TestRegion, keyId: string) =>
  (await describe(client, keyId)).currentKeyMaterialId;

async function replicatedKey(): Promise<string> {
  const { keyId } = (await primary.client.createKey({ multiRegion: true })).keyMetadata;
  await primary.client.replicateKey({ keyId, replicaRegion: there });
  await settled(replica, keyId);
  return keyId;
}

/** Encrypts in one Region and decrypts in the other. */
async function travels(from: TestRegion, to: TestRegion, keyId: string): Promise<boolean> {
  const { ciphertextBlob } = await from.client.encrypt({ keyId, plaintext: Buffer.from('text') });
  return Buffer.from((await to.client.decrypt({ ciphertextBlob })).plaintext).toString() === 'text';
}

/** Stops a Region, changes its files, and starts it again. */
async function whileStopped(region: TestRegion, change: () => unknown): Promise<void> {
  await region.client.close();
  await region.daemon.stop();
  await change();
  await region.daemon.start();
  region.client = await region.daemon.connect();
}

await t.test('the other Region is away', async (t) => {
  const keyId = await replicatedKey();
  const moving = await replicatedKey();
  const { keyId: single } = (await primary.client.createKey({ multiRegion: true })).keyMetadata;
  const before = await materialOf(primary, keyId);
  await replica.client.close();
  await replica.daemon.stop('SIGKILL');
  await t.rejects(primary.client.replicateKey({ keyId: single, replicaRegion: there }), {
    code: 'DependencyTimeoutException',
    message: /eu-central-1/,
  });
  t.match(await describe(primary.client, single), { keyState: 'Enabled' });
  t.same((await describe(primary.client, single)).multiRegionConfiguration?.replicaKeys ?? [], []);
  await t.rejects(primary.client.updatePrimaryRegion({ keyId: moving, primaryRegion: there }), {
    code: 'DependencyTimeoutException',
  });
  await settled(primary, moving);
  await primary.client.rotateKeyOnDemand({ keyId });
  t.match(await describe(primary.client, keyId), { keyState: 'Updating', currentKeyMaterialId: before });
  await t.rejects(primary.client.rotateKeyOnDemand({ keyId }), { code: 'KMSInvalidStateException' });
  const { ciphertextBlob } = await primary.client.encrypt({ keyId, plaintext: Buffer.from('meanwhile') });
  await primary.client.disableKey({ keyId });
  await primary.client.enableKey({ keyId });
  t.match(await primary.client.listRegionLinks({}), { links: [{ pendingKeys: 1 }] });
  // The primary Region is killed too: what waits is in its records.
  await restart(primary, 'SIGKILL');
  t.match(await describe(primary.client, keyId), { keyState: 'Updating' });
  await replica.daemon.start();
  replica.client = await replica.daemon.connect();
  await settled(primary, keyId);
  const after = await materialOf(primary, keyId);
  t.not(after, before);
  await until(
    () => materialOf(replica, keyId),
    (id) => id === after,
  );
  t.equal(Buffer.from((await replica.client.decrypt({ ciphertextBlob })).plaintext).toString(), 'meanwhile');
  t.equal(primary.daemon.events('RotateKey').length, 1);
  t.match(await primary.client.listRegionLinks({}), { links: [{ pendingKeys: 0 }] });
});

await t.test('the token of the replica is restored from an older copy', async (t) => {
  const older = join(replica.daemon.home, 'older-tokens');
  const tokens = join(replica.daemon.home, 'tokens');
  const keyId = await replicatedKey();
  await whileStopped(replica, () => cpSync(tokens, older, { recursive: true }));
  await primary.client.rotateKeyOnDemand({ keyId });
  const rotated = await settled(primary, keyId);
  const another = await replicatedKey();
  await whileStopped(replica, () => {
    rmSync(tokens, { recursive: true });
    cpSync(older, tokens, { recursive: true });
  });
  // The material that the token lost comes again.
  for (const each of [keyId, another]) {
    await settled(replica, each);
    t.ok(await travels(primary, replica, each));
    t.ok(await travels(replica, primary, each));
  }
  t.equal(await materialOf(replica, keyId), rotated.currentKeyMaterialId);
  t.same(
    (await replica.daemon.health()).warnings.filter((warning) => warning.includes('mrk-')),
    [],
  );
});

await t.test('an older store of the replica Region is accepted', async (t) => {
  const copies = new StoreCopies(replica.daemon);
  t.teardown(() => copies.remove());
  const keyId = await replicatedKey();
  await whileStopped(replica, () => copies.take('older'));
  await primary.client.rotateKeyOnDemand({ keyId });
  await settled(primary, keyId);
  const later = await replicatedKey();
  await whileStopped(replica, async () => {
    copies.putBack('older');
    const recovered = await replica.daemon.admin('recover-store', ['--accept-older-store', '--yes']);
    t.equal(recovered.code, 0, recovered.stderr);
  });
  await until(
    () => materialOf(replica, keyId),
    (id) => id !== undefined,
  );
  const newest = await materialOf(primary, keyId);
  await until(
    () => materialOf(replica, keyId),
    (id) => id === newest,
  );
  t.ok(await travels(primary, replica, keyId));
  await t.rejects(describe(replica.client, later), { code: 'NotFoundException' });
  const { warnings } = await until(
    () => primary.daemon.health(),
    (health) => health.warnings.length > 0,
  );
  t.match(warnings.join('\n'), new RegExp(`${later}.*does not exist`));
  await primary.client.replicateKey({ keyId: later, replicaRegion: there });
  await settled(replica, later);
  t.ok(await travels(replica, primary, later), 'it is replicated again');
});

await t.test('an older store of the primary Region is accepted', async (t) => {
  const copies = new StoreCopies(primary.daemon);
  t.teardown(() => copies.remove());
  const keyId = await replicatedKey();
  await whileStopped(primary, () => copies.take('older'));
  await primary.client.rotateKeyOnDemand({ keyId });
  const { currentKeyMaterialId } = await settled(primary, keyId);
  await until(
    () => materialOf(replica, keyId),
    (id) => id === currentKeyMaterialId,
  );
  const { ciphertextBlob } = await replica.client.encrypt({ keyId, plaintext: Buffer.from('newer') });
  await whileStopped(primary, async () => {
    copies.putBack('older');
    const recovered = await primary.daemon.admin('recover-store', ['--accept-older-store', '--yes']);
    t.equal(recovered.code, 0, recovered.stderr);
  });
  const { warnings } = await until(
    () => primary.daemon.health(),
    (health) => health.warnings.some((warning) => warning.includes('do not succeed')),
  );
  t.match(warnings.join('\n'), new RegExp(keyId), 'the replica takes no older properties');
  t.equal(await materialOf(replica, keyId), currentKeyMaterialId);
  t.equal(Buffer.from((await replica.client.decrypt({ ciphertextBlob })).plaintext).toString(), 'newer');
});

await t.test('requests meet each other', async (t) => {
  const { keyId } = (await primary.client.createKey({ multiRegion: true })).keyMetadata;
  const twice = await Promise.allSettled(
    [1, 2, 3].map(() => primary.client.replicateKey({ keyId, replicaRegion: there })),
  );
  t.equal(twice.filter(({ status }) => status === 'fulfilled').length, 1, 'one of three is made');
  await settled(replica, keyId);
  t.same((await describe(primary.client, keyId)).multiRegionConfiguration?.replicaKeys, [
    { arn: `arn:aws:kms:${there}:000000000000:key/${keyId}`, region: there },
  ]);
  const both = await Promise.allSettled([
    primary.client.rotateKeyOnDemand({ keyId }),
    primary.client.updatePrimaryRegion({ keyId, primaryRegion: there }),
    primary.client.enableKeyRotation({ keyId }),
  ]);
  t.ok(both.some(({ status }) => status === 'fulfilled'));
  await Promise.all([settled(primary, keyId), settled(replica, keyId)]);
  const types = await Promise.all(
    [primary, replica].map(
      async ({ client }) => (await describe(client, keyId)).multiRegionConfiguration?.multiRegionKeyType,
    ),
  );
  t.same(types.sort(), ['PRIMARY', 'REPLICA']);
  t.ok(await travels(primary, replica, keyId));
  t.ok(await travels(replica, primary, keyId));
  t.equal(here, primary.name);
});
