import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LevelStore } from '../../daemon/store/leveldb.js';
import { metadataStoreContract } from '../contract/metadata-store.js';

metadataStoreContract('LevelDB', (path) => LevelStore.open(path));

void t.test('a second process that opens the same store is told that it is in use', async (t) => {
  const path = t.testdir();
  const store = await LevelStore.open(path);
  await t.rejects(LevelStore.open(path), { code: 'locked', message: /in use by another daemon/ });
  await store.close();
});

void t.test('a damaged MANIFEST is reported as damage', async (t) => {
  const path = t.testdir();
  const store = await LevelStore.open(path);
  await store.batch([{ type: 'put', key: 'a', value: Buffer.from('1') }]);
  await store.close();
  const manifest = readdirSync(path).find((name) => name.startsWith('MANIFEST')) ?? '';
  const bytes = readFileSync(join(path, manifest));
  bytes.fill(0xff, 8, 24);
  writeFileSync(join(path, manifest), bytes);
  await t.rejects(LevelStore.open(path), { code: 'corrupt', message: /restore it from a backup/ });
});
