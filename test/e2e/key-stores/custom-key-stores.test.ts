// Custom key stores for an administrator: created, connected, changed, deleted.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  connectedStore,
  createStore,
  describeStore,
  type LabToken,
  reaches,
} from '../../support/custom-key-store.js';
import { fileLatch } from '../../../daemon/hsm/pool/latch.js';
import { TestDaemon } from '../../support/daemon.js';
import { beginLab } from '../../support/lab.js';

/** Everything that the daemon wrote into its home, and what it printed. */
function written(daemon: TestDaemon): string {
  const texts = ['metadata', 'audit', 'latch'].flatMap((folder) => {
    try {
      return readdirSync(join(daemon.home, folder)).map((name) =>
        readFileSync(join(daemon.home, folder, name), 'latin1'),
      );
    } catch {
      return [];
    }
  });
  return [...texts, daemon.stdout, daemon.stderr].join('');
}

void t.test('a custom key store is created, described, renamed and deleted', async (t) => {
  const { daemon, client, tokens } = await beginLab(
    t,
    [{ label: 'lab' }, { label: 'other' }, { label: 'third', pinFile: true }],
    'limits:\n  customKeyStores: 2',
  );
  const [lab, other, third] = tokens as [LabToken, LabToken, LabToken];
  const good = {
    customKeyStoreName: 'lab',
    cloudHsmClusterId: lab.clusterId,
    trustAnchorCertificate: '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n',
    keyStorePassword: lab.pin,
  };
  const customKeyStoreId = (await client.createCustomKeyStore(good)).customKeyStoreId;
  t.match(customKeyStoreId, /^cks-[0-9a-f]{17}$/);
  const entry = await describeStore(client, customKeyStoreId);
  t.same(entry, {
    customKeyStoreId,
    customKeyStoreName: 'lab',
    cloudHsmClusterId: lab.clusterId,
    trustAnchorCertificate: good.trustAnchorCertificate,
    connectionState: 'DISCONNECTED',
    creationDate: entry.creationDate,
    customKeyStoreType: 'AWS_CLOUDHSM',
  });
  t.ok(Math.abs(entry.creationDate - Date.now() / 1000) < 60);

  await t.test('invalid requests are refused as by AWS KMS', async (t) => {
    const fresh = { ...good, customKeyStoreName: 'other', cloudHsmClusterId: other.clusterId };
    const refusals: [change: object, code: string][] = [
      [{ customKeyStoreName: 'lab' }, 'CustomKeyStoreNameInUseException'],
      [{ cloudHsmClusterId: lab.clusterId }, 'CloudHsmClusterInUseException'],
      [{ cloudHsmClusterId: 'cluster-nowhere-at-all' }, 'CloudHsmClusterNotFoundException'],
      [{ cloudHsmClusterId: 'cluster-short' }, 'ValidationException'],
      [{ cloudHsmClusterId: undefined }, 'ValidationException'],
      [{ trustAnchorCertificate: undefined }, 'ValidationException'],
      [{ keyStorePassword: undefined }, 'ValidationException'],
      [{ keyStorePassword: 'from-configuration' }, 'ValidationException'],
      [{ customKeyStoreName: undefined }, 'ValidationException'],
      [{ customKeyStoreType: 'EXTERNAL_KEY_STORE' }, 'UnsupportedOperationException'],
      [{ xksProxyUriPath: '/kms/xks/v1' }, 'UnsupportedOperationException'],
    ];
    for (const [change, code] of refusals)
      await t.rejects(client.createCustomKeyStore({ ...fresh, ...change }), { code }, JSON.stringify(change));
    for (const customKeyStoreId of ['cks-00000000000000000', 'x']) {
      const code = 'CustomKeyStoreNotFoundException';
      const missing = { customKeyStoreId };
      await t.rejects(client.describeCustomKeyStores(missing), { code });
      await t.rejects(client.connectCustomKeyStore(missing), { code });
      await t.rejects(client.disconnectCustomKeyStore(missing), { code });
      await t.rejects(client.deleteCustomKeyStore(missing), { code });
      await t.rejects(client.updateCustomKeyStore({ ...missing, newCustomKeyStoreName: 'x' }), { code });
      await t.rejects(client.createKey({ ...missing, origin: 'AWS_CLOUDHSM' }), { code });
      await t.rejects(client.generateRandom({ ...missing, numberOfBytes: 8 }), { code });
    }
    await t.rejects(client.describeCustomKeyStores({ customKeyStoreName: 'nobody' }), {
      code: 'CustomKeyStoreNotFoundException',
    });
    const both = { customKeyStoreName: 'lab', customKeyStoreId };
    await t.rejects(client.describeCustomKeyStores(both), { code: 'ValidationException' });
    await t.rejects(client.disconnectCustomKeyStore({ customKeyStoreId }), {
      code: 'CustomKeyStoreInvalidStateException',
    });
    const invalidState = { code: 'CustomKeyStoreInvalidStateException' };
    await t.rejects(client.createKey({ customKeyStoreId, origin: 'AWS_CLOUDHSM' }), invalidState);
    await t.rejects(client.generateRandom({ customKeyStoreId, numberOfBytes: 8 }), invalidState);
    await t.rejects(client.createKey({ origin: 'AWS_CLOUDHSM' }), { code: 'ValidationException' });
    await t.rejects(client.createKey({ customKeyStoreId }), { code: 'ValidationException' });
    await t.rejects(client.createKey({ origin: 'EXTERNAL_KEY_STORE', xksKeyId: 'x' }), {
      code: 'UnsupportedOperationException',
      message: /external key store/i,
    });
  });

  await t.test('a password is in no message, event, log or record', async (t) => {
    const secret = 'tellnobody-of-this';
    const long = { ...good, keyStorePassword: secret.repeat(2) };
    const error: unknown = await client.createCustomKeyStore(long).catch((error: unknown) => error);
    t.match(error, { code: 'ValidationException', message: /Sensitive Data Redacted/ });
    t.notMatch((error as Error).message, secret);
    await client.updateCustomKeyStore({ customKeyStoreId, keyStorePassword: secret });
    t.notOk(written(daemon).includes(secret));
    t.notOk(written(daemon).includes(Buffer.from(secret).toString('base64').slice(0, -4)));
    await client.updateCustomKeyStore({ customKeyStoreId, keyStorePassword: lab.pin });
  });

  await t.test('pages stay right while stores are created, and the limit holds', async (t) => {
    const second = await createStore(client, third, { keyStorePassword: 'from-configuration' });
    await t.rejects(createStore(client, other), { code: 'LimitExceededException' });
    const ids = [customKeyStoreId, second].sort();
    const first = await client.describeCustomKeyStores({ limit: 1 });
    t.match(first, { truncated: true, customKeyStores: [{ customKeyStoreId: ids[0] }] });
    const rest = await client.describeCustomKeyStores({ limit: 1, marker: first.nextMarker! });
    t.match(rest, { truncated: false, customKeyStores: [{ customKeyStoreId: ids[1] }] });
    const named = await client.describeCustomKeyStores({ customKeyStoreName: 'third' });
    t.match(named, { customKeyStores: [{ customKeyStoreId: second }] });
    await client.connectCustomKeyStore({ customKeyStoreId: second });
    t.ok(await reaches(client, second, 'CONNECTED'), 'the PIN came from the configuration');
    const update = { customKeyStoreId: second };
    await client.updateCustomKeyStore({ ...update, newCustomKeyStoreName: 'renamed while connected' });
    const invalidState = { code: 'CustomKeyStoreInvalidStateException' };
    await t.rejects(client.updateCustomKeyStore({ ...update, keyStorePassword: '12345678' }), invalidState);
    await t.rejects(
      client.updateCustomKeyStore({ ...update, cloudHsmClusterId: other.clusterId }),
      invalidState,
    );
    await t.rejects(client.deleteCustomKeyStore(update), invalidState);
    await client.connectCustomKeyStore(update);
    t.equal(
      (await describeStore(client, second)).connectionState,
      'CONNECTED',
      'connecting a connected store changes nothing',
    );
    await client.disconnectCustomKeyStore(update);
    t.ok(await reaches(client, second, 'DISCONNECTED'));
    t.match(await describeStore(client, second), { customKeyStoreName: 'renamed while connected' });
    await t.rejects(client.updateCustomKeyStore({ ...update, newCustomKeyStoreName: 'lab' }), {
      code: 'CustomKeyStoreNameInUseException',
    });
    await t.rejects(client.updateCustomKeyStore({ ...update, cloudHsmClusterId: lab.clusterId }), {
      code: 'CloudHsmClusterInUseException',
    });
    await t.rejects(client.updateCustomKeyStore(update), { code: 'ValidationException' });
    await client.updateCustomKeyStore({
      ...update,
      cloudHsmClusterId: other.clusterId,
      keyStorePassword: other.pin,
    });
    t.match(await describeStore(client, second), { cloudHsmClusterId: other.clusterId });
    await client.deleteCustomKeyStore(update);
    t.equal((await client.describeCustomKeyStores({})).customKeyStores.length, 1);
  });

  await t.test('each operation has an event in the audit log', (t) => {
    t.match(daemon.events('CreateCustomKeyStore')[0], {
      requestParameters: { customKeyStoreName: 'lab', cloudHsmClusterId: lab.clusterId },
      responseElements: { customKeyStoreId },
      readOnly: false,
    });
    for (const name of [
      'UpdateCustomKeyStore',
      'ConnectCustomKeyStore',
      'DisconnectCustomKeyStore',
      'DeleteCustomKeyStore',
    ]) {
      const done = daemon.events(name).find(({ errorCode }) => errorCode === undefined);
      t.match(done, { requestParameters: { customKeyStoreId: /^cks-/ }, readOnly: false }, name);
    }
    t.match(daemon.events('DescribeCustomKeyStores')[0], { readOnly: true });
    t.end();
  });
});

void t.test('a password that the token refuses is tried once', async (t) => {
  const { daemon, client, tokens } = await beginLab(t, [{ label: 'lab', spied: true }]);
  const [lab] = tokens as [LabToken];
  const customKeyStoreId = await createStore(client, lab, { keyStorePassword: 'wrong-pin-of-test' });
  const connect = () => client.connectCustomKeyStore({ customKeyStoreId });
  const disconnected = async () => {
    await client.disconnectCustomKeyStore({ customKeyStoreId });
    return reaches(client, customKeyStoreId, 'DISCONNECTED');
  };
  const failed = { connectionState: 'FAILED', connectionErrorCode: 'INVALID_CREDENTIALS' };
  await connect();
  t.ok(await reaches(client, customKeyStoreId, 'FAILED'));
  t.match(await describeStore(client, customKeyStoreId), failed);
  t.match((await daemon.health()).warnings, [/'lab'.*INVALID_CREDENTIALS.*keyhold login-retry cks-/]);
  t.equal((await daemon.health()).healthy, true, 'the default store is not affected');
  await t.rejects(
    connect(),
    { code: 'CustomKeyStoreInvalidStateException' },
    'a store in the state FAILED must be disconnected first',
  );
  t.ok(await disconnected());
  t.notOk('connectionErrorCode' in (await describeStore(client, customKeyStoreId)));
  await connect();
  t.ok(await reaches(client, customKeyStoreId, 'FAILED'));
  t.match(await describeStore(client, customKeyStoreId), failed);
  await daemon.stop();
  await daemon.start();
  t.ok(await reaches(client, customKeyStoreId, 'FAILED'));
  t.match(await describeStore(client, customKeyStoreId), failed, 'the state is the same after a restart');
  t.equal(lab.logins, 1, 'the token got one login');
  t.notOk(written(daemon).includes('wrong-pin-of-test'));

  await t.test('login-retry allows one more attempt, which is made automatically', async (t) => {
    t.match(await daemon.admin('login-retry', ['cks-nonsense']), { code: 2 });
    t.match(await daemon.admin('login-retry', [customKeyStoreId]), { code: 0 });
    for (const end = Date.now() + 20_000; lab.logins < 2 && Date.now() < end;)
      await new Promise((done) => setTimeout(done, 100));
    await new Promise((done) => setTimeout(done, 1_500));
    t.equal(lab.logins, 2);
    t.match(await describeStore(client, customKeyStoreId), failed);
  });

  await t.test('a new password is tried', async (t) => {
    t.ok(await disconnected());
    await client.updateCustomKeyStore({ customKeyStoreId, keyStorePassword: lab.pin });
    await connect();
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
    t.ok(lab.logins >= 3);
    t.same((await daemon.health()).warnings, []);
  });

  await t.test('a PIN that is locked is not tried at all', async (t) => {
    t.ok(await disconnected());
    const { logins } = lab;
    // SoftHSM2 never locks a PIN, so the latch is written as for a token that does.
    fileLatch(daemon.home, customKeyStoreId).set('pin-locked', 'CKR_PIN_LOCKED');
    await connect();
    t.ok(await reaches(client, customKeyStoreId, 'FAILED'));
    t.match(await describeStore(client, customKeyStoreId), { connectionErrorCode: 'USER_LOCKED_OUT' });
    t.equal(lab.logins, logins);
  });
});

void t.test('a cluster that SIGHUP adds can be used, and one that it removes is not found', async (t) => {
  const { daemon, client, tokens } = await beginLab(t, [{ label: 'lab' }]);
  const [lab] = tokens as [LabToken];
  const customKeyStoreId = await connectedStore(client, lab);
  const path = join(daemon.home, 'keyhold.yaml');
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replaceAll(lab.clusterId, 'cluster-renamed-lab'));
  process.kill(daemon.pid, 'SIGHUP');
  const make = () =>
    client.createCustomKeyStore({
      customKeyStoreName: 'renamed',
      cloudHsmClusterId: 'cluster-renamed-lab',
      trustAnchorCertificate: 'x',
      keyStorePassword: lab.pin,
    });
  for (const end = Date.now() + 10_000; Date.now() < end; await new Promise((done) => setTimeout(done, 100)))
    if ((await make().catch(() => undefined)) !== undefined) break;
  t.equal((await client.describeCustomKeyStores({})).customKeyStores.length, 2);
  t.match(
    await describeStore(client, customKeyStoreId),
    { connectionState: 'CONNECTED' },
    'the store stays connected',
  );
  await client.disconnectCustomKeyStore({ customKeyStoreId });
  t.ok(await reaches(client, customKeyStoreId, 'DISCONNECTED'));
  await client.connectCustomKeyStore({ customKeyStoreId });
  t.ok(await reaches(client, customKeyStoreId, 'FAILED'));
  t.match(await describeStore(client, customKeyStoreId), { connectionErrorCode: 'CLUSTER_NOT_FOUND' });
});

void t.test('two clusters with one token are refused at start, with the line', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  daemon.configure('clusters:\n  cluster-the-default:\n    profile: softhsm2\n    tokenLabel: keyhold\n');
  await t.rejects(daemon.start(), {
    message: /keyhold\.yaml:\d+: 'clusters\.cluster-the-default'.*token of 'hsm'/,
  });
});
