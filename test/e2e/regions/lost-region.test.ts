// A Region that does not come back, and one whose store is older than a replication.
import t from 'tap';
import { describe } from '../../support/imports.js';
import {
  here,
  linkRegions,
  startLinkedRegions,
  type TestRegion,
  there,
  until,
} from '../../support/regions.js';

const [one, other] = await startLinkedRegions(t);
const settled = ({ client }: TestRegion, keyId: string, state = 'Enabled') =>
  until(
    () => describe(client, keyId),
    ({ keyState }) => keyState === state,
  );

/** Replicates a new key. @param from the Region of its primary key */
async function replicatedKey(from: TestRegion, to: TestRegion): Promise<string> {
  const { keyId } = (await from.client.createKey({ multiRegion: true })).keyMetadata;
  await from.client.replicateKey({ keyId, replicaRegion: to.name });
  await settled(to, keyId);
  return keyId;
}

const mine = await replicatedKey(one, other);
const theirs = await replicatedKey(other, one);
const alone = (await one.client.createKey({ multiRegion: true })).keyMetadata.keyId;
const { ciphertextBlob } = await other.client.encrypt({ keyId: mine, plaintext: Buffer.from('text') });

await t.test('without the link keys stay as they are, and wait', async (t) => {
  t.match(await one.client.deleteRegionLink({ peerRegion: there }), { separatedKeys: 0 });
  t.match(await describe(one.client, mine), {
    multiRegionConfiguration: { replicaKeys: [{ region: there }] },
  });
  await one.client.rotateKeyOnDemand({ keyId: mine });
  t.match(await describe(one.client, mine), { keyState: 'Updating' });
  const { plaintext } = await one.client.decrypt({ ciphertextBlob });
  t.equal(Buffer.from(plaintext).toString(), 'text');
  const warned = await until(
    () => one.daemon.health(),
    ({ warnings }) => warnings.length > 0,
  );
  t.match(warned.warnings, [/1 multi-Region key waits for another Region .*eu-central-1/]);
  await t.rejects(one.client.replicateKey({ keyId: alone, replicaRegion: there }), {
    code: 'UnsupportedOperationException',
    message: /eu-central-1/,
  });
});

await t.test('keys whose other Region is given up live on alone', async (t) => {
  t.match(await one.client.deleteRegionLink({ peerRegion: there, forgetKeys: true }), { separatedKeys: 2 });
  for (const keyId of [mine, theirs]) {
    const now = await settled(one, keyId);
    t.match(now.multiRegionConfiguration, { multiRegionKeyType: 'PRIMARY', primaryKey: { region: here } });
    t.same(now.multiRegionConfiguration?.replicaKeys ?? [], []);
  }
  const { currentKeyMaterialId } = await describe(one.client, theirs);
  await one.client.rotateKeyOnDemand({ keyId: theirs });
  t.not((await describe(one.client, theirs)).currentKeyMaterialId, currentKeyMaterialId);
  await t.rejects(one.client.deleteRegionLink({ peerRegion: there, forgetKeys: true }), {
    code: 'NotFoundException',
  });
});

await t.test('a new link does not relate them again, and no side takes over the other', async (t) => {
  await other.client.deleteRegionLink({ peerRegion: here });
  await linkRegions(t, one, other);
  await until(
    () => other.client.listRegionLinks({}),
    ({ links = [] }) => links[0]?.connection === 'CONNECTED',
  );
  await other.client.rotateKeyOnDemand({ keyId: theirs });
  const { warnings } = await until(
    () => other.daemon.health(),
    (health) => health.warnings.length > 0,
  );
  t.match(warnings.join('\n'), /is no replica of a key in eu-central-1/);
  t.match(await describe(one.client, theirs), {
    multiRegionConfiguration: { multiRegionKeyType: 'PRIMARY' },
  });
  await t.rejects(one.client.replicateKey({ keyId: mine, replicaRegion: there }), {
    code: 'AlreadyExistsException',
  });
  await settled(one, mine);
});
