// The contract of a MetadataStore. A store supplies only a factory.
import t from 'tap';
import type { Change, MetadataStore } from '../../daemon/store/store.js';

/** Runs the contract. @param open creates or opens the store at a path: a folder that exists and is empty at first */
export function metadataStoreContract(name: string, open: (path: string) => Promise<MetadataStore>): void {
  void t.test(`${name} as a MetadataStore`, async (t) => {
    const path = t.testdir();
    let store = await open(path);
    t.teardown(() => store.close());
    const put = (key: string, value: string) => ({ type: 'put' as const, key, value: Buffer.from(value) });
    const keysOf = async (from: string, to: string) => {
      const keys: string[] = [];
      for await (const { key } of store.range({ from, to })) keys.push(key);
      return keys;
    };

    await t.test('a key that was never written is undefined', async (t) => {
      t.equal(await store.get('nothing'), undefined);
    });

    await t.test('a batch is applied whole, and read back byte for byte', async (t) => {
      await store.batch([put('a/1', 'one'), put('a/2', 'two'), put('b/1', ''), { type: 'delete', key: 'c' }]);
      t.same(await store.get('a/1'), Buffer.from('one'));
      t.same(await store.get('b/1'), Buffer.alloc(0));
    });

    await t.test('a range includes its first key, excludes its last, and is in byte order', async (t) => {
      await store.batch([put('a/10', ''), put('a/é', '')]);
      t.same(await keysOf('a/1', 'a/2'), ['a/1', 'a/10']);
      t.same(await keysOf('a/', 'a/\uffff'), ['a/1', 'a/10', 'a/2', 'a/é']);
    });

    await t.test('a batch whose precondition fails changes nothing', async (t) => {
      const wrong = [{ key: 'a/1', value: Buffer.from('other') }];
      await t.rejects(store.batch([put('a/1', 'new'), put('d', 'new')], wrong), {
        code: 'precondition-failed',
      });
      await t.rejects(store.batch([put('d', 'new')], [{ key: 'a/1', value: undefined }]), {
        code: 'precondition-failed',
      });
      t.same(await store.get('a/1'), Buffer.from('one'));
      t.equal(await store.get('d'), undefined);
    });

    await t.test('of several batches that expect the same value only one is applied', async (t) => {
      const value = await store.get('a/1');
      const attempts = Array.from({ length: 20 }, (_, n) =>
        store.batch([put('a/1', `winner ${n}`)], [{ key: 'a/1', value }]),
      );
      const results = await Promise.allSettled(attempts);
      t.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
    });

    await t.test('a watcher sees changes under its prefix until it is closed', async (t) => {
      const seen: Change[] = [];
      const end = store.watch('w/', (changes) => seen.push(...changes));
      await store.batch([put('w/1', 'x'), put('v/1', 'y')]);
      await store.batch([{ type: 'delete', key: 'w/1' }]);
      end();
      await store.batch([put('w/2', 'z')]);
      t.same(seen, [
        { key: 'w/1', value: Buffer.from('x') },
        { key: 'w/1', value: undefined },
      ]);
    });

    await t.test('written values are there after closing and opening', async (t) => {
      await store.batch([put('kept', 'yes')]);
      await store.close();
      store = await open(path);
      t.same(await store.get('kept'), Buffer.from('yes'));
    });
  });
}
