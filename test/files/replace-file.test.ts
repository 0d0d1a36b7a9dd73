// Files are replaced atomically and durably, and never through a link that somebody planted.
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { writeCredentials } from '../../client/cli/credentials-file.js';
import {
  makeFolderSync,
  replaceFile,
  replaceFileSync,
  syncTreeSync,
} from '../../daemon/files/replace-file.js';

/** The functions that write a secret to a path. */
const writers: Readonly<Record<string, (path: string) => unknown>> = {
  replaceFileSync: (path) => replaceFileSync(path, 'secret'),
  replaceFile: (path) => replaceFile(path, 'secret'),
  'credentials-file': (path) =>
    writeCredentials(path, 'default', () => Promise.resolve({ accessKeyId: 'A', secretAccessKey: 'secret' })),
};

const mode = (path: string) => statSync(path).mode & 0o777;

/** A folder in which every predictable name is a link to somebody else's file. */
function trap(t: Test): { path: string; others: string } {
  const folder = t.testdir();
  const others = join(folder, 'others');
  writeFileSync(others, 'theirs', { mode: 0o644 });
  const path = join(folder, 'secrets');
  for (const ending of ['.new', '.tmp', '.bak', '~', `.${process.pid}`]) symlinkSync(others, path + ending);
  return { path, others };
}

for (const [name, write] of Object.entries(writers)) {
  void t.test(
    `${name}: no link beside the file is followed, and only its owner can read the file`,
    async (t) => {
      const { path, others } = trap(t);
      const before = process.umask(0);
      t.teardown(() => process.umask(before));
      await write(path);
      t.match(readFileSync(path, 'utf8'), /secret/);
      t.equal(mode(path), 0o600);
      t.equal(readFileSync(others, 'utf8'), 'theirs');
      t.equal(mode(others), 0o644);
      chmodSync(path, 0o644);
      await write(path);
      t.equal(mode(path), 0o600, 'the file is private even if its predecessor was not');
    },
  );

  void t.test(`${name}: a failure leaves nothing behind`, async (t) => {
    const path = join(t.testdir(), 'secrets');
    // A folder that is not empty cannot be replaced by a file.
    mkdirSync(join(path, 'full'), { recursive: true });
    await t.rejects(Promise.resolve().then(() => write(path)));
    t.strictSame(readdirSync(join(path, '..')), ['secrets']);
  });
}

void t.test('a file that is a link is replaced, not written through', (t) => {
  const folder = t.testdir();
  const [path, others] = [join(folder, 'link'), join(folder, 'others')];
  writeFileSync(others, 'theirs');
  symlinkSync(others, path);
  replaceFileSync(path, 'secret');
  t.equal(readFileSync(others, 'utf8'), 'theirs');
  t.equal(readFileSync(path, 'utf8'), 'secret');
  t.end();
});

void t.test(
  'folders are created with their parents, for their owner only; a tree is synced completely',
  (t) => {
    const folder = t.testdir();
    makeFolderSync(join(folder, 'a/b/c'));
    for (const made of ['a', 'a/b', 'a/b/c']) t.equal(mode(join(folder, made)), 0o700);
    makeFolderSync(join(folder, 'a/b/c'));
    symlinkSync('/nowhere', join(folder, 'a/dangling'));
    t.doesNotThrow(() => syncTreeSync(join(folder, 'a')));
    t.end();
  },
);
