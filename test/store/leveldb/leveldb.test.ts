import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LevelStore } from '../../../daemon/store/leveldb/leveldb.js';
import { metadataStoreContract } from '../../contract/metadata-store.js';

metadataStoreContract('LevelDB', (path) =>
  existsSync(join(path, 'CURRENT')) ? LevelStore.open(path) : LevelStore.create(path),
);

void t.test('a second process that opens the same store is told that it is in use', async (t) => {
  const path = t.testdir();
  const store = await LevelStore.create(path);
  await t.rejects(LevelStore.open(path), { code: 'locked', message: /in use by another daemon/ });
  await store.close();
});

void t.test('a damaged MANIFEST is reported as damage', async (t) => {
  const path = t.testdir();
  const store = await LevelStore.create(path);
  await store.batch([{ type: 'put', key: 'a', value: Buffer.from('1') }]);
  await store.close();
  const manifest = readdirSync(path).find((name) => name.startsWith('MANIFEST')) ?? '';
  const bytes = readFileSync(join(path, manifest));
  bytes.fill(0xff, 8, 24);
  writeFileSync(join(path, manifest), bytes);
  await t.rejects(LevelStore.open(path), { code: 'corrupt', message: /restore it from a backup/ });
});

/** Leaves a store as after kill -9 with batches in its log. @param sizes bytes of each @returns the log's path */
async function storeWithLog(path: string, sizes: readonly number[]): Promise<string> {
  const store = await LevelStore.create(path);
  for (const [index, size] of sizes.entries())
    await store.batch([{ type: 'put', key: `${index}`, value: randomBytes(size) }]);
  // Its files as they are after kill -9; closing changes nothing in them.
  await store.close();
  return join(path, readdirSync(path).find((name) => /^\d+\.log$/.test(name)) ?? '');
}

void t.test('damage in the log is found wherever it is, and no record is left out silently', async (t) => {
  const path = t.testdir();
  // The second batch spans blocks; the last ones are in one block.
  const log = await storeWithLog(path, [100, 70_000, 300, 300, 300]);
  const bytes = readFileSync(log);
  for (let at = 0; at < bytes.length - 400; at += 97) {
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 0x40;
    writeFileSync(log, damaged);
    const message = /damaged at byte \d+|restore it from a backup/;
    await t.rejects(LevelStore.open(path), { code: 'corrupt', message }, `a change of byte ${at} is found`);
  }
});

void t.test('a log that ends in the middle of a batch opens with all batches before', async (t) => {
  const path = t.testdir();
  const log = await storeWithLog(path, [100, 70_000, 70_000]);
  writeFileSync(log, readFileSync(log).subarray(0, -30_000));
  const store = await LevelStore.open(path);
  t.equal((await store.get('1'))?.length, 70_000);
  t.equal(await store.get('2'), undefined);
  await store.close();
});
