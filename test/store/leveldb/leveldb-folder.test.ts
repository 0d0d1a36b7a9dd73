// A store with missing files is refused before LevelDB opens it, and stays unchanged.
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LevelStore } from '../../../daemon/store/leveldb/leveldb.js';

const put = (key: string, size = 10) => ({ type: 'put' as const, key, value: Buffer.alloc(size, key) });

/** A closed store with a file of each kind. */
async function closedStore(t: Test): Promise<string> {
  const path = join(t.testdir(), 'store');
  const made = await LevelStore.create(path);
  await made.batch([put('a')]);
  await made.close();
  // LevelDB turns the log into a table when it opens.
  const again = await LevelStore.open(path);
  await again.batch([put('b')]);
  await again.close();
  return path;
}

function files(path: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(path).map((name) => [name, readFileSync(join(path, name), 'latin1')]),
  );
}

const manifestOf = (path: string) => readdirSync(path).find((name) => name.startsWith('MANIFEST'))!;

const losses: Readonly<
  Record<string, { lose: (path: string) => void; error: { code: string; message: RegExp } }>
> = {
  'CURRENT is missing': {
    lose: (path) => rmSync(join(path, 'CURRENT')),
    error: { code: 'corrupt', message: /CURRENT is missing/ },
  },
  'CURRENT is empty': {
    lose: (path) => truncateSync(join(path, 'CURRENT')),
    error: { code: 'corrupt', message: /CURRENT is damaged/ },
  },
  'CURRENT names a file that is not there': {
    lose: (path) => writeFileSync(join(path, 'CURRENT'), 'MANIFEST-999999\n'),
    error: { code: 'corrupt', message: /MANIFEST-999999 is missing/ },
  },
  'the manifest is missing': {
    lose: (path) => rmSync(join(path, manifestOf(path))),
    error: { code: 'corrupt', message: /MANIFEST-\d+ is missing/ },
  },
  'the manifest is empty': {
    lose: (path) => truncateSync(join(path, manifestOf(path))),
    error: { code: 'corrupt', message: /MANIFEST-\d+ is empty/ },
  },
  'only tables and logs are left': {
    lose: (path) => {
      rmSync(join(path, 'CURRENT'));
      rmSync(join(path, manifestOf(path)));
    },
    error: { code: 'corrupt', message: /CURRENT is missing/ },
  },
  'only LevelDB’s diary is left': {
    lose: (path) => {
      for (const name of readdirSync(path)) if (!name.startsWith('LO')) rmSync(join(path, name));
    },
    error: { code: 'missing', message: /does not exist: mount its disk/ },
  },
};

for (const [name, { lose, error }] of Object.entries(losses)) {
  void t.test(`${name}: refused, and every file stays`, async (t) => {
    const path = await closedStore(t);
    lose(path);
    const before = files(path);
    await t.rejects(LevelStore.open(path), error);
    if (error.code === 'corrupt') await t.rejects(LevelStore.create(path), { code: 'corrupt' });
    t.strictSame(files(path), before);
  });
}

void t.test('a store is created only on request, and never by opening it', async (t) => {
  const path = join(t.testdir(), 'store');
  await t.rejects(LevelStore.open(path), { code: 'missing' });
  mkdirSync(path);
  await t.rejects(LevelStore.open(path), { code: 'missing' });
  t.strictSame(readdirSync(path), []);
  const store = await LevelStore.create(path);
  await store.close();
  await t.rejects(LevelStore.create(path), { code: 'corrupt', message: /exists already/ });
});

void t.test('a store whose creation was interrupted by a kill is completed', async (t) => {
  const path = join(t.testdir(), 'store');
  mkdirSync(path);
  writeFileSync(join(path, 'MANIFEST-000001'), '');
  await t.rejects(LevelStore.open(path), { code: 'missing' });
  const store = await LevelStore.create(path);
  await store.batch([put('a')]);
  await store.close();
});

void t.test('no store is created in the folder of a disk that is not mounted', async (t) => {
  const path = await closedStore(t);
  renameSync(path, `${path}.away`);
  mkdirSync(path);
  await t.rejects(LevelStore.open(path), { code: 'missing' });
  t.strictSame(readdirSync(path), []);
});
