import { createHmac } from 'node:crypto';
import t from 'tap';
import { LevelStore } from '../../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../../daemon/store/records/records.js';

// The daemon passes a MAC function of the HSM. These tests use one with their own key.
const macWith = (key: string) => (message: Buffer) =>
  Promise.resolve(createHmac('sha256', key).update(message).digest());
const mac = macWith('key');

void t.test('records are read back after a restart, in order, with their prefix', async (t) => {
  const path = t.testdir();
  let store = await LevelStore.create(path);
  let records = await Records.load(store, 'store-1', mac);
  await records.commit([
    { key: 'key/b', value: 'B' },
    { key: 'key/a', value: 'A' },
    { key: 'other', value: 'O' },
  ]);
  await records.commit([{ key: 'key/b', value: 'B2' }]);
  await store.close();
  store = await LevelStore.open(path);
  t.teardown(() => store.close());
  records = await Records.load(store, 'store-1', mac);
  t.equal(records.get('key/b'), 'B2');
  t.same([...records.keys('key/')], ['key/a', 'key/b']);
  t.same([...records.keys('key/', 'key/a')], ['key/b']);
  t.equal(records.count('key/'), 2);
  await records.commit([{ key: 'key/a', value: undefined }]);
  t.same([...records.keys('key/')], ['key/b']);
});

void t.test('a commit sees the records as they are when it is executed', async (t) => {
  const store = await LevelStore.create(t.testdir());
  t.teardown(() => store.close());
  const records = await Records.load(store, 'store-1', mac);
  const increment = () => {
    return records.commit(() => [{ key: 'n', value: String(Number(records.get('n') ?? '0') + 1) }]);
  };
  await Promise.all(Array.from({ length: 25 }, increment));
  t.equal(records.get('n'), '25');
  await t.rejects(
    records.commit(() => {
      throw new Error('no');
    }),
    { message: 'no' },
  );
  await increment();
  t.equal(records.get('n'), '26');
});

void t.test(
  'a record that was changed in any byte, moved, or made under another key is refused by name',
  async (t) => {
    const store = await LevelStore.create(t.testdir());
    t.teardown(() => store.close());
    const records = await Records.load(store, 'store-1', mac);
    await records.commit([{ key: 'key/a', value: 'content' }]);
    const load = (id = 'store-1', macFunction = mac) => Records.load(store, id, macFunction);
    const put = (key: string, value: Buffer) => store.batch([{ type: 'put', key, value }]);
    const good = (await store.get('record/key/a'))!;
    await load();
    for (let index = 0; index < good.length; index++) {
      const bad = Buffer.from(good);
      bad[index]! ^= 1;
      await put('record/key/a', bad);
      await t.rejects(
        load(),
        { code: 'corrupt', message: /'key\/a' fails its integrity check/ },
        `a change of byte ${index} is found`,
      );
    }
    for (const length of [0, 1, 31, 39]) {
      await put('record/key/a', good.subarray(0, length));
      await t.rejects(load(), { code: 'corrupt' }, `a record truncated to ${length} bytes is refused`);
    }
    await put('record/key/a', good);
    await t.rejects(load('store-2'), { code: 'corrupt' }, 'a record of another store is refused');
    await t.rejects(
      load('store-1', macWith('other')),
      { code: 'corrupt' },
      'a MAC under another key is refused',
    );
    await put('record/key/b', good);
    await t.rejects(
      load(),
      { code: 'corrupt', message: /'key\/b'/ },
      'a record moved to another name is refused',
    );
  },
);
