// The records of managed policies with and without versions.
import { createHmac, randomBytes } from 'node:crypto';
import t from 'tap';
import { Identities, putPolicy, putPolicyVersions, removePolicy } from '../../daemon/identity/identities.js';
import { LevelStore } from '../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../daemon/store/records/records.js';

const record = {
  policyId: 'ANPAAAAAAAAAAAAAAAAAA',
  policyName: 'Readers',
  path: '/',
  document: 'first',
  createdAt: 1_000,
};

void t.test('records of managed policies', async (t) => {
  const macKey = randomBytes(32);
  const mac = (message: Buffer) => Promise.resolve(createHmac('sha256', macKey).update(message).digest());
  const level = await LevelStore.create(t.testdir());
  t.teardown(() => level.close());
  const records = await Records.load(level, 'store-1', mac);
  const identities = new Identities(records, '000000000000');
  const policy = () => identities.policy('readers')!;

  await records.commit(() => [putPolicy(record)]);
  t.strictSame(
    identities.versionsOf(policy()),
    { defaultVersion: 1, lastVersion: 1, versions: [{ number: 1, createdAt: 1_000, document: 'first' }] },
    'a record without versions is v1',
  );

  const second = { number: 2, createdAt: 2_000, document: 'second' };
  const { versions } = identities.versionsOf(policy());
  const both = { defaultVersion: 2, lastVersion: 2, versions: [...versions, second] };
  await records.commit(() => putPolicyVersions(policy().record, both));
  t.strictSame(identities.versionsOf(policy()), both);
  t.equal(policy().record.document, 'second', 'the default version is compiled');
  t.equal(policy().record.createdAt, 1_000);

  const again = { ...both, defaultVersion: 1 };
  await records.commit(() => putPolicyVersions(policy().record, again));
  t.strictSame(identities.versionsOf(policy()), again);
  t.equal(policy().record.document, 'first');

  const loaded = new Identities(await Records.load(level, 'store-1', mac), '000000000000');
  t.strictSame(
    loaded.versionsOf(loaded.policy('Readers')!),
    again,
    'the versions are the same after a restart',
  );

  await records.commit(() => removePolicy('Readers'));
  t.equal(policy(), undefined);
  await records.commit(() => [putPolicy({ ...record, document: 'new' })]);
  t.equal(identities.versionsOf(policy()).versions.length, 1, 'versions are deleted with their policy');
});
