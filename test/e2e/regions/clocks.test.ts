// Two Regions whose clocks are days apart: what is shared is decided by the clock of the primary Region alone.
import t from 'tap';
import { describe } from '../../support/imports.js';
import { startLinkedRegions, there, until } from '../../support/regions.js';

const [primary, replica] = await startLinkedRegions(t, { yaml: 'deletionCautionHours: 0', movesClock: true });
replica.clock!.move('-3d');

await t.test('a replica follows a rotation whose dates are in its future', async (t) => {
  const { keyId } = (await primary.client.createKey({ multiRegion: true })).keyMetadata;
  await primary.client.enableKeyRotation({ keyId, rotationPeriodInDays: 90 });
  await primary.client.replicateKey({ keyId, replicaRegion: there });
  await until(
    () => describe(replica.client, keyId),
    ({ keyState }) => keyState === 'Enabled',
  );
  const status = () => replica.client.getKeyRotationStatus({ keyId });
  const { nextRotationDate } = await primary.client.getKeyRotationStatus({ keyId });
  t.match(await status(), { keyRotationEnabled: true, rotationPeriodInDays: 90, nextRotationDate });
  // The scheduler looks at the periods every second.
  await new Promise((done) => setTimeout(done, 3_000));
  t.same(replica.daemon.events('CorrectKeyPeriods'), []);
  t.equal((await status()).nextRotationDate, nextRotationDate);
  t.same(
    (await replica.daemon.health()).warnings.filter((warning) => warning.includes('ahead')),
    [],
  );

  primary.clock!.move('+91d');
  const { currentKeyMaterialId } = await describe(replica.client, keyId);
  await until(
    () => describe(replica.client, keyId),
    (now) => now.currentKeyMaterialId !== currentKeyMaterialId,
  );
  t.equal(primary.daemon.events('RotateKey').length, 1, 'the primary key was rotated, once');
  t.equal(replica.daemon.events('RotateKey').length, 0);
  const { ciphertextBlob } = await primary.client.encrypt({ keyId, plaintext: Buffer.from('text') });
  const { plaintext } = await replica.client.decrypt({ ciphertextBlob });
  t.equal(Buffer.from(plaintext).toString(), 'text');
});
