// A start refuses an older state of the metadata store; `keyhold recover store` can accept it.
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { beginWithCopies as begin } from '../../support/store-copies.js';
import { anchorLabels } from '../../support/token.js';

interface RootRecord {
  readonly epoch: number;
  readonly count: number;
}

void t.test('a copy of the store from before a revocation', async (t) => {
  const { daemon, copies, recover } = await begin(t);
  await daemon.start();
  const root = await daemon.connect();
  const { keyId } = (await root.createKey({})).keyMetadata;
  const { user } = await root.createUser({ userName: 'mallory' });
  const grant = { keyId: keyId, granteePrincipal: user.arn, operations: ['Decrypt' as const] };
  const { grantId } = await root.createGrant(grant);
  const { accessKeyId } = (await root.createAccessKey({ userName: 'mallory' })).accessKey;
  await root.close();
  t.equal(await daemon.stop(), 0);
  copies.take('older');
  const older = (await copies.record('root')) as RootRecord;

  await daemon.start();
  const again = await daemon.connect();
  await again.revokeGrant({ keyId: keyId, grantId: grantId });
  await again.updateAccessKey({ userName: 'mallory', accessKeyId: accessKeyId, status: 'Inactive' });
  const { keyId: later } = (await again.createKey({})).keyMetadata;
  await again.close();
  t.equal(await daemon.stop(), 0);
  copies.take('newest');
  const newest = (await copies.record('root')) as RootRecord;
  t.ok(newest.epoch > older.epoch);
  t.match(await recover('--accept-older-store'), { code: 0, stdout: /nothing to recover/ });

  await t.test('is refused, and the message says what to do', async (t) => {
    copies.putBack('older');
    const refusal = new RegExp(
      `epoch ${older.epoch}, 20.*anchor of epoch ${newest.epoch}, .*'keyhold recover store', which explains`,
    );
    await t.rejects(daemon.start(), { message: refusal });
    t.match(await daemon.cli(['recover', 'key-policy', keyId]), { code: 1, stderr: refusal });
    copies.putBack('newest');
    await daemon.start();
    t.same((await daemon.health()).warnings, []);
    t.equal(await daemon.stop(), 0);
  });

  await t.test('recover store explains, and without the option changes nothing', async (t) => {
    copies.putBack('older');
    t.match(await recover(), {
      code: 1,
      stdout: /an earlier copy was put back.*\.\n.*revoked.*Nothing was changed/s,
    });
    await t.rejects(daemon.start(), { message: /an earlier copy/ });
    t.match(await recover('--accept'), { code: 2 });
  });

  await t.test('accepted on purpose, the store is used, and the audit log records it', async (t) => {
    t.match(await recover('--accept-older-store'), { code: 0, stdout: /The store is accepted/ });
    t.match(await recover('--accept-older-store'), { code: 0, stdout: /nothing to recover/ });
    await daemon.start();
    const client = await daemon.connect();
    t.match(await client.listGrants({ keyId: keyId }), { grants: [{ grantId }] });
    await t.rejects(client.describeKey({ keyId: later }), { code: 'NotFoundException' });
    t.match(await daemon.health(), {
      healthy: true,
      warnings: [
        /1 material of key .*, nor is there a record/,
        /1 object that does not belong to this Keyhold/,
      ],
    });
    await client.createKey({});
    await client.close();
    t.match(daemon.events('RecoverStore'), [
      { serviceEventDetails: { found: 'older', store: { epoch: older.epoch }, anchor: { epoch: Number } } },
    ]);
    t.match(await daemon.cli(['audit', 'verify']), { code: 0 });
    t.equal(await daemon.stop(), 0);
    t.match(await daemon.cli(['audit', 'verify']), { code: 0 });
  });

  await t.test('after that the replaced store counts as an older one', async (t) => {
    copies.putBack('newest');
    await t.rejects(daemon.start(), { message: /an earlier copy was put back/ });
  });
});

void t.test('kill -9 between a commit and its anchor leaves a store that starts', async (t) => {
  const { daemon, copies } = await begin(t);
  let epoch = 0;
  for (let round = 0; round < 5; round++) {
    await daemon.start();
    const client = await daemon.connect();
    await client.createKey({});
    // Some rounds end before their first anchor, some after it and during changes.
    if (round % 2 === 1) await sleep(3_500);
    for (let count = 0; count < 5; count++) await client.createUser({ userName: `u${round}-${count}` });
    const last = client.createUser({ userName: `u${round}-last` }).catch(() => undefined);
    await daemon.stop('SIGKILL');
    await last;
    await client.close();
    const root = (await copies.record('root')) as RootRecord;
    t.ok(root.epoch > epoch, `round ${round}: epoch ${root.epoch}`);
    epoch = root.epoch;
  }
  await daemon.start();
  t.same(daemon.events('UpgradeStore'), []);
  t.equal(await daemon.stop(), 0);
  t.equal(anchorLabels(daemon).length, 1, 'a stop leaves one anchor');
});
