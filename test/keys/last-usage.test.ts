import { createHmac } from 'node:crypto';
import t from 'tap';
import { LastUsage, type Usage } from '../../daemon/keys/last-usage.js';
import { LevelStore } from '../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../daemon/store/records/records.js';

const mac = (message: Buffer) => Promise.resolve(createHmac('sha256', 'key').update(message).digest());
const use = (at: number, eventId: string): Usage => ({
  operation: 'Encrypt',
  at,
  eventId,
  requestId: eventId,
});

void t.test('the newest use is kept, and its time never goes back', async (t) => {
  const store = await LevelStore.create(t.testdir());
  t.teardown(() => store.close());
  const records = await Records.load(store, 'store-1', mac);
  const keyIds = Array.from({ length: 300 }, (_, index) => `k${index}`);
  await records.commit(keyIds.map((keyId) => ({ key: `key/${keyId}`, value: '{}' })));
  const lastUsage = new LastUsage(records);
  for (const keyId of keyIds) lastUsage.note(keyId, use(1_000, keyId));
  lastUsage.note('deleted', use(1_000, 'deleted'));
  t.same(lastUsage.of('k0'), use(1_000, 'k0'));
  const flushed = lastUsage.flush();
  t.same(lastUsage.of('k299'), use(1_000, 'k299'), 'also while it is written');
  lastUsage.note('k0', use(900, 'after the clock was set back'));
  await flushed;
  t.same(lastUsage.of('k0'), use(1_000, 'after the clock was set back'));
  await lastUsage.flush();
  const again = new LastUsage(await Records.load(store, 'store-1', mac));
  t.same(again.of('k0'), use(1_000, 'after the clock was set back'));
  for (const keyId of keyIds.slice(1)) t.same(again.of(keyId), use(1_000, keyId));
  t.equal(again.of('deleted'), undefined, 'a key that is gone leaves nothing');
});

void t.test('a failed write is repeated later', async (t) => {
  const path = t.testdir();
  let store = await LevelStore.create(path);
  let records = await Records.load(store, 'store-1', mac);
  await records.commit([{ key: 'key/a', value: '{}' }]);
  const lastUsage = new LastUsage(records);
  lastUsage.note('a', use(5, 'one'));
  await store.close();
  await t.rejects(lastUsage.flush());
  t.same(lastUsage.of('a'), use(5, 'one'));
  store = await LevelStore.open(path);
  t.teardown(() => store.close());
  records = await Records.load(store, 'store-1', mac);
  t.equal(new LastUsage(records).of('a'), undefined);
});
