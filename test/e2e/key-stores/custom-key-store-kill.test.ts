// Keys of custom key stores: a daemon killed while they are created, and deletion while their store is disconnected.
import t from 'tap';
import { MovableClock } from '../../support/clock.js';
import { connectedStore, createStore, type LabToken, reaches } from '../../support/custom-key-store.js';
import { beginLab } from '../../support/lab.js';
import { newKey, stateOf, until } from './store-keys.js';

const plaintext = Buffer.from('attack at dawn');

void t.test(
  'kill -9 while keys are created leaves nothing behind, even if the token returns late',
  async (t) => {
    const { daemon, client, tokens } = await beginLab(t, [{ label: 'lab' }]);
    const [lab] = tokens as [LabToken];
    const customKeyStoreId = await connectedStore(client, lab);
    for (let round = 0; round < 3; round++) {
      const connection = await daemon.connect({ maxAttempts: 1 });
      let answered = 0;
      const making = Array.from({ length: 30 }, () =>
        newKey(connection, customKeyStoreId).then(
          () => answered++,
          () => undefined,
        ),
      );
      t.ok(await until(() => answered > 3 * round));
      await daemon.stop('SIGKILL');
      await Promise.all(making);
      await connection.close();
      if (round === 1) lab.hide();
      await daemon.start();
      if (round === 1) {
        t.ok(await reaches(client, customKeyStoreId, 'FAILED'));
        await daemon.stop();
        await daemon.start();
        lab.restore();
      }
      t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
      const { keys } = await client.listKeys({ limit: 1000 });
      const expected = keys.map(({ keyId }) => `keyhold/${keyId}`).sort();
      const found = lab.labels.filter((label) => label !== '');
      t.ok(expected.length >= answered);
      t.same(found, expected, `round ${round}: ${expected.length} keys, each with one object`);
      for (const { keyId } of keys) await client.encrypt({ keyId: keyId, plaintext });
    }
  },
);

void t.test('a deletion waits until the key’s store is connected', async (t) => {
  let clock: MovableClock | undefined;
  const { daemon, client, tokens } = await beginLab(
    t,
    [{ label: 'lab' }],
    'deletionCautionHours: 0',
    ({ home }) => (clock = new MovableClock(home)).env,
  );
  const [lab] = tokens as [LabToken];
  const customKeyStoreId = await connectedStore(client, lab);
  const { keyId } = await newKey(client, customKeyStoreId);
  await client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 7 });
  await client.disconnectCustomKeyStore({ customKeyStoreId });
  t.ok(await reaches(client, customKeyStoreId, 'DISCONNECTED'));
  clock!.move('+8d');
  const waits = async () => /deletion of 1 keys waits.*cks-/.test((await daemon.health()).warnings.join());
  t.ok(await until(waits));
  t.equal(await stateOf(client, keyId), 'PendingDeletion');
  await client.cancelKeyDeletion({ keyId });
  await client.scheduleKeyDeletion({ keyId, pendingWindowInDays: 7 });
  clock!.move('+16d');
  t.ok(await until(waits));
  t.ok(lab.labels.includes(`keyhold/${keyId}`));
  await t.rejects(client.deleteCustomKeyStore({ customKeyStoreId }), {
    code: 'CustomKeyStoreHasCMKsException',
  });
  await client.connectCustomKeyStore({ customKeyStoreId });
  t.ok(await until(() => daemon.events('DeleteKey').length === 1));
  t.same(lab.labels, []);
  t.same((await daemon.health()).warnings, []);
  await client.disconnectCustomKeyStore({ customKeyStoreId });
  t.ok(await reaches(client, customKeyStoreId, 'DISCONNECTED'));
  await client.deleteCustomKeyStore({ customKeyStoreId });
  t.same((await client.describeCustomKeyStores({})).customKeyStores, []);
  await createStore(client, lab);
});
