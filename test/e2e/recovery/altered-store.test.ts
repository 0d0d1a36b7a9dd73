// Single records of the metadata store deleted or put back while the daemon is stopped.
import t from 'tap';
import { beginWithCopies as begin } from '../../support/store-copies.js';

void t.test('single records deleted or put back', async (t) => {
  const { daemon, copies, recover } = await begin(t);
  await daemon.start();
  const root = await daemon.connect();
  const { keyId } = (await root.createKey({})).keyMetadata;
  await root.createUser({ userName: 'bob' });
  await root.close();
  await daemon.stop();
  const older = await copies.values();
  await daemon.start();
  const again = await daemon.connect();
  await again.updateKeyDescription({ keyId: keyId, description: 'new' });
  await again.deleteUser({ userName: 'bob' });
  await again.close();
  await daemon.stop();
  copies.take('newest');
  const newest = await copies.values();
  const key = `record/key/${keyId}`;
  const bob = [...older.keys()].find((name) => name.includes('principal/AIDA'))!;
  t.notOk(newest.has(bob));

  for (const [what, changes, message] of [
    ['a deleted record', [[key, undefined]], /at least 1 were deleted.*recover store/],
    ['an earlier version of a record', [[key, older.get(key)]], /at least one of them is an earlier version/],
    ['a deleted user put back', [[bob, older.get(bob)]], /at least 1 deleted records were put back/],
    ['no root', [['record/root', undefined]], /Its root is missing.*anchor is of epoch/],
    [
      'an earlier root',
      [['record/root', older.get('record/root')]],
      /Its root.*covers.*also older than the HSM's/,
    ],
  ] as const) {
    copies.putBack('newest');
    await copies.write(new Map(changes));
    await t.rejects(daemon.start(), { message }, what);
  }

  await t.test('a store that lacks a record is accepted, and the difference is reported', async (t) => {
    copies.putBack('newest');
    await copies.write(new Map([[key, undefined]]));
    t.match(await recover(), {
      code: 1,
      stdout: /covers \d+ records\. The store has \d+: at least 1 were deleted/,
    });
    t.match(await recover('--accept-older-store'), { code: 0 });
    await daemon.start();
    const client = await daemon.connect();
    await t.rejects(client.describeKey({ keyId: keyId }), { code: 'NotFoundException' });
    await client.close();
    await daemon.stop();
    const [event] = daemon.events('RecoverStore') as [{ serviceEventDetails: Record<string, number> }];
    const { recordsFound, recordsExpected } = event.serviceEventDetails;
    t.equal(recordsFound, recordsExpected! - 1);
    t.match(event, { serviceEventDetails: { found: 'other-records' } });
    t.match(await daemon.cli(['audit', 'verify']), { code: 0 });
  });

  await t.test('a store with a forged record is refused, with or without the option', async (t) => {
    const forged = Buffer.from((await copies.values()).get(bob.replace(/AIDA.*/, '000000000000'))!);
    forged[forged.length - 2]! ^= 1;
    await copies.write(new Map([[bob, forged]]));
    t.match(await recover('--accept-older-store'), { code: 1, stderr: /fails its integrity check/ });
  });
});

void t.test('material that was being created when the copy was made stays in the HSM', async (t) => {
  const { daemon, copies, recover } = await begin(t);
  await daemon.start();
  const client = await daemon.connect();
  const { keyId } = (await client.createKey({})).keyMetadata;
  const { ciphertextBlob } = await client.encrypt({ keyId: keyId, plaintext: Buffer.from('x') });
  await client.close();
  await daemon.stop();
  copies.take('newest');
  // A copy from before the key's commit contains the intent.
  const { materials } = (await copies.record(`key/${keyId}`)) as { materials: { objectId: string }[] };
  const intent = 'intent/1234abcd-12ab-34cd-56ef-1234567890ab';
  const text = JSON.stringify({ objectId: materials[0]!.objectId });
  await copies.write(
    new Map([
      [`record/${intent}`, await copies.authentic(intent, text)],
      [`record/key/${keyId}`, undefined],
    ]),
  );
  await t.rejects(daemon.start(), { message: /'keyhold recover store'/ });
  t.match(await recover('--accept-older-store'), { code: 0 });
  await daemon.start();
  const warnings = [
    /1 material of key .* nor is there a record of the key/,
    /1 object that does not belong to this/,
  ];
  t.match(await daemon.health(), { warnings });
  t.match(daemon.events('RecoverStore'), [{ serviceEventDetails: { droppedIntents: 1 } }]);
  await daemon.stop();
  copies.putBack('newest');
  t.match(await recover('--accept-older-store'), { code: 0 });
  await daemon.start();
  const last = await daemon.connect();
  t.same(Buffer.from((await last.decrypt({ ciphertextBlob: ciphertextBlob })).plaintext), Buffer.from('x'));
  await last.close();
  await daemon.stop();
});
