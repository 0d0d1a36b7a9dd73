import { cpSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LevelStore } from '../../../daemon/store/leveldb/leveldb.js';
import { memoryDisk, unavailable } from '../../audit/disks.js';

void t.test(
  'writes acknowledged after the disk was full survive a process that dies without closing',
  { skip: unavailable(() => memoryDisk(64)) },
  async (t) => {
    const disk = memoryDisk(4096);
    t.teardown(disk.remove);
    const path = join(disk.directory, 'store');
    mkdirSync(path);
    const store = await LevelStore.create(path);
    t.teardown(() => store.close());
    const put = (key: string) => ({ type: 'put' as const, key, value: Buffer.alloc(700, key) });
    const before = { key: 'before', value: put('before').value };
    await store.batch([put('before')]);
    const ballast = join(disk.directory, 'ballast');
    const { bavail, bsize } = statfsSync(disk.directory);
    writeFileSync(ballast, Buffer.alloc(bavail * bsize));
    let refused = 0;
    for (let number = 0; refused < 5 && number < 20; number++) {
      const changed = { type: 'put' as const, key: 'before', value: Buffer.from('changed') };
      const batch = refused > 0 ? [changed] : [put(`full-${number}`)];
      await store.batch(batch, [before]).catch((error: unknown) => {
        t.match(error, { code: 'unavailable' });
        refused += 1;
      });
    }
    t.equal(refused, 5);
    rmSync(ballast);
    const keys = Array.from({ length: 10 }, (_, number) => `after-${number}`);
    for (const key of keys) await store.batch([put(key)], [before]);

    // As a killed process leaves it.
    const copy = join(disk.directory, 'copy');
    cpSync(path, copy, { recursive: true });
    rmSync(join(copy, 'LOCK'));
    const again = await LevelStore.open(copy);
    t.teardown(() => again.close());
    for (const key of keys) t.same(await again.get(key), put(key).value, key);
    t.same(await again.get('before'), before.value, 'a refused write changed nothing');
  },
);
