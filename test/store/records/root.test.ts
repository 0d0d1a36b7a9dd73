// An attacker who can write to the disk of a stopped daemon. Every record that is put back is authentic, since it comes
// from an earlier state of the same store.
import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import t from 'tap';
import {
  compareWithAnchor,
  describeIntegrityFailure,
} from '../../../daemon/store/records/integrity-failures.js';
import { LevelStore } from '../../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../../daemon/store/records/records.js';
import { anchorBytes, parseAnchor } from '../../../daemon/store/records/root.js';
import type { MetadataStore } from '../../../daemon/store/store.js';

// The daemon passes a MAC function of the HSM. These tests use one with their own key.
const mac = (message: Buffer) => Promise.resolve(createHmac('sha256', 'key').update(message).digest());
const load = (store: MetadataStore) => Records.load(store, 'store-1', mac);
const read = (store: MetadataStore) => Records.read(store, 'store-1', mac);

async function stateOf(store: MetadataStore): Promise<Map<string, Buffer>> {
  const state = new Map<string, Buffer>();
  for await (const { key, value } of store.range({ from: '', to: '\uffff' })) state.set(key, value);
  return state;
}

async function restore(store: MetadataStore, state: ReadonlyMap<string, Buffer>): Promise<void> {
  const present = await stateOf(store);
  await store.batch([
    ...[...present.keys()].map((key) => ({ type: 'delete' as const, key })),
    ...[...state].map(([key, value]) => ({ type: 'put' as const, key, value })),
  ]);
}

void t.test('any mixture of records from several states of one store is refused', async (t) => {
  const store = await LevelStore.create(t.testdir());
  t.teardown(() => store.close());
  const change = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    value: fc.option(fc.constantFrom('1', '2', '3'), { nil: undefined }),
  });
  const history = fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(history, fc.infiniteStream(fc.nat()), async (batches, choices) => {
      await restore(store, new Map());
      const records = await load(store);
      const states: Map<string, Buffer>[] = [];
      for (const batch of batches) {
        await records.commit(batch);
        states.push(await stateOf(store));
      }
      const newest = states.at(-1)!;
      const again = await load(store);
      t.same(again.root, records.root);
      t.same([...again.keys('')], [...records.keys('')]);
      // For each name any of its earlier values, or none, with the newest root.
      const names = new Set(states.flatMap((state) => [...state.keys()]));
      const mixed = new Map<string, Buffer>();
      for (const name of names) {
        const values = [...states.map((state) => state.get(name)), undefined];
        const value =
          name === 'record/root' ? newest.get(name) : values[choices.next().value % values.length];
        if (value) mixed.set(name, value);
      }
      const isNewest =
        mixed.size === newest.size && [...mixed].every(([name, value]) => newest.get(name)?.equals(value));
      await restore(store, mixed);
      if (isNewest) await load(store);
      else await t.rejects(load(store), { code: 'rolled-back' });
    }),
    { numRuns: 150 },
  );
});

void t.test('the refusal of an altered store says what was altered, as far as that is known', async (t) => {
  const store = await LevelStore.create(t.testdir());
  t.teardown(() => store.close());
  const records = await load(store);
  await records.commit(['a', 'b', 'c'].map((key) => ({ key, value: 'old' })));
  const older = await stateOf(store);
  await records.commit([
    { key: 'a', value: 'new' },
    { key: 'c', value: undefined },
  ]);
  const newest = await stateOf(store);
  const refused = async (state: Map<string, Buffer>, message: RegExp) => {
    await restore(store, state);
    await t.rejects(load(store), { code: 'rolled-back', message });
    await t.rejects(load(store), { message: /'keyhold recover store', which explains/ });
  };
  const without = (state: Map<string, Buffer>, name: string) =>
    new Map([...state].filter(([key]) => key !== name));
  await refused(without(newest, 'record/b'), /covers 2 records. The store has 1: at least 1 were deleted/);
  await refused(
    new Map([...newest, ['record/c', older.get('record/c')!]]),
    /at least 1 deleted records were put back/,
  );
  await refused(
    new Map([...newest, ['record/a', older.get('record/a')!]]),
    /at least one of them is an earlier/,
  );
  await refused(without(newest, 'record/root'), /Its root is missing.* 2 records/);
  await refused(new Map([...newest, ['record/root', older.get('record/root')!]]), /covers 3 records/);

  await t.test(
    'the next commit replaces a root that does not match, with an epoch beyond all others',
    async (t) => {
      await restore(store, without(newest, 'record/b'));
      const broken = await read(store);
      t.match(broken.broken, { kind: 'other-records', found: 1 });
      broken.skipEpochs(500);
      await broken.commit([{ key: 'd', value: 'x' }]);
      t.match((await load(store)).root, { epoch: 501, count: 2 });
    },
  );
});

void t.test('epochs grow by one with each batch, and a refused batch uses up none', async (t) => {
  const store = await LevelStore.create(t.testdir());
  t.teardown(() => store.close());
  const records = await load(store);
  t.equal(records.root, undefined);
  await records.commit([]);
  t.equal(records.root, undefined, 'an empty commit writes no root');
  await records.commit([{ key: 'a', value: '1' }]);
  const other = await load(store);
  await records.commit([
    { key: 'a', value: '2' },
    { key: 'a', value: '3' },
    { key: 'gone', value: undefined },
  ]);
  t.match(records.root, { epoch: 2, count: 1 });
  t.equal((await load(store)).get('a'), '3');
  await t.rejects(other.commit([{ key: 'b', value: 'x' }]), { code: 'precondition-failed' });
  t.match(other.root, { epoch: 1 }, 'a commit on an outdated root changes nothing');
  t.match((await load(store)).root, { epoch: 2, count: 1 });
  await t.rejects(records.commit([{ key: 'root', value: 'x' }]), { message: /must not be named/ });
  records.noteAnchor(2);
  await records.commit([{ key: 'b', value: '1' }]);
  t.match((await load(store)).root, { epoch: 3, anchored: 2, count: 2 });
});

void t.test('a store that is older than its anchor, or another one at the same epoch, is found', (t) => {
  const root = { epoch: 7, root: 'a'.repeat(64), at: 1_700_000_000, count: 3, anchored: 5 };
  const compare = (anchor: Partial<typeof root> | undefined) => {
    const read = anchor && parseAnchor(anchorBytes({ ...root, ...anchor }));
    return compareWithAnchor(root, read, 3);
  };
  t.equal(compare(undefined), undefined);
  t.equal(compare({}), undefined);
  t.equal(
    compare({ epoch: 6, root: 'b'.repeat(64) }),
    undefined,
    'an older anchor is accepted, as after a crash before it was written',
  );
  t.match(compare({ epoch: 8 }), { kind: 'older' });
  t.match(compare({ root: 'b'.repeat(64) }), { kind: 'other-store' });
  t.match(
    describeIntegrityFailure(compare({ epoch: 8 })!),
    /epoch 7, 2023-11-14T22:13:20Z.*anchor of epoch 8/,
  );
  for (const text of ['', '{}', '{"format":2}', 'null', '\u0000'])
    t.equal(parseAnchor(Buffer.from(text)), undefined);
  t.end();
});
