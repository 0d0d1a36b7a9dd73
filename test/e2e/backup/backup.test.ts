// A backup of a running daemon: its content, the reasons to refuse it, and restoring it into an empty home.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { memoryDisk, unavailable } from '../../audit/disks.js';
import { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';
import { SecretSearch } from '../../support/secret-search.js';

const daemon = await TestDaemon.start(t, undefined, { own: true });
const folder = mkdtempSync(join(tmpdir(), 'kh-backup-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'with-token.backup');
const keptKey = join(folder, 'audit-public-key.pem');
cpSync(join(daemon.home, 'audit-public-key.pem'), keptKey);

const client = await daemon.connect();
const { keyId } = (await client.createKey({})).keyMetadata;
const { ciphertextBlob } = await client.encrypt({ keyId, plaintext: Buffer.from('before the backup') });
await client.createUser({ userName: 'alice' });
const { accessKey } = await client.createAccessKey({ userName: 'alice' });

/** Files that are in no backup, and that an operator keeps elsewhere. */
const elsewhere = readdirSync(daemon.home, { recursive: true, encoding: 'utf8' }).filter(
  (path) => path === 'credentials' || /(^|\/)(user-)?pin$/.test(path) || path === 'tls/server.key',
);

/** Copies those files to another home. */
function putBack(home: string): void {
  for (const path of elsewhere) {
    mkdirSync(dirname(join(home, path)), { recursive: true, mode: 0o700 });
    cpSync(join(daemon.home, path), join(home, path));
  }
}

const restore = (home: string, ...args: string[]) =>
  TestDaemon.at(home).cli(['restore', ...args, '--public-key', keptKey]);

await t.test('a backup can be made while keys are created', async (t) => {
  let isDone = false;
  const making = (async () => {
    while (!isDone) {
      await client.createKey({});
      await new Promise((done) => setTimeout(done, 300));
    }
  })();
  const made = await daemon.cli(['backup', file, '--with-token']);
  isDone = true;
  await making;
  t.match(made, { code: 0, stderr: /The backup is / });
  t.match(daemon.events('CreateBackup'), [{ requestParameters: { includeToken: true } }]);
  t.strictSame(
    readdirSync(folder).filter((name) => name.includes('partial')),
    [],
    'no partial file is left',
  );
  t.match(await daemon.cli(['backup', file]), { code: 1, stderr: /something is there already/ });
  t.match(await daemon.cli(['backup', join(folder, 'nothing/a.backup')]), {
    code: 1,
    stderr: /its folder does not exist/,
  });
});

await t.test('a backup contains no secret in plaintext', (t) => {
  const search = new SecretSearch();
  search.add("the root's secret access key", daemon.credentials.secretAccessKey);
  search.add("a user's secret access key", accessKey.secretAccessKey);
  const pem = readFileSync(join(daemon.home, 'tls/server.key'), 'utf8');
  search.add(
    "the server's private key",
    Buffer.from(pem.split('\n').slice(1, -2).join(''), 'base64').subarray(36, 68),
  );
  t.strictSame(search.find(gunzipSync(readFileSync(file))), []);
  const archive = gunzipSync(readFileSync(file)).toString('latin1');
  for (const name of ['credentials', 'tls/server.key', 'tls/ca.key', 'tokens/so-pin'])
    t.notOk(archive.includes(`home/${name}\0`), name);
  t.ok(
    elsewhere.some((path) => path.endsWith('pin')),
    elsewhere.join(),
  );
  for (const path of elsewhere.filter((each) => each.endsWith('pin')))
    t.notOk(archive.includes(`home/${path}\0`), path);
  t.end();
});

await t.test('--check describes a backup, and writes nothing', async (t) => {
  const home = join(folder, 'unused');
  t.match(await restore(home, file, '--check'), {
    code: 0,
    stdout: /is whole, and signed by this audit log's key[^]*token: SoftHSM2's files are in it/,
  });
  t.throws(() => readdirSync(home));
  const alone = await TestDaemon.at(home).cli(['restore', file, '--check']);
  t.match(alone, { code: 0, stdout: /so whether it is yours is not shown/ });
  t.match(await TestDaemon.at(home).cli(['restore', file]), { code: 2, stderr: /There is no public key/ });
});

await t.test('a file that was changed, truncated or signed by another key is refused', async (t) => {
  const bytes = readFileSync(file);
  const changed = join(folder, 'changed.backup');
  const home = join(folder, 'unused');
  const cases: Readonly<Record<string, Buffer>> = {
    cut: bytes.subarray(0, bytes.length - 100),
    'cut in the middle': bytes.subarray(0, bytes.length >> 1),
    changed: Buffer.from(bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 1 : byte))),
    'no backup': Buffer.from('something else'),
  };
  for (const [what, content] of Object.entries(cases)) {
    writeFileSync(changed, content);
    t.match(
      await restore(home, changed, '--check'),
      { code: 1, stderr: /no whole backup|cannot|no backup/ },
      what,
    );
    t.match(await restore(home, changed), { code: 1 }, `${what}: not restored`);
    t.throws(() => readdirSync(home), what);
  }
  writeFileSync(changed, bytes);
  const other = await TestDaemon.initialise({ own: true });
  t.teardown(() => other.remove());
  const foreign = await TestDaemon.at(home).cli([
    'restore',
    changed,
    '--check',
    '--public-key',
    join(other.home, 'audit-public-key.pem'),
  ]);
  t.match(foreign, { code: 1, stderr: /its signature is not of this public key/ });
});

await t.test(
  'a restore onto a full disk leaves no store, and succeeds when there is room',
  { skip: unavailable(() => memoryDisk(64)) },
  async (t) => {
    const disk = memoryDisk(32);
    t.teardown(() => disk.remove());
    const home = join(disk.directory, 'home');
    t.match(await restore(home, file), {
      code: 1,
      stderr: /There is no room in .* for the backup \(ENOSPC\)/,
    });
    t.notOk(existsSync(join(home, 'metadata')));
    t.notOk(existsSync(join(home, 'restoring')));
    execFileSync('mount', ['-o', 'remount,size=64m', disk.directory]);
    t.match(await restore(home, file), { code: 0 });
    t.ok(existsSync(join(home, 'metadata')));
  },
);

await t.test(
  'kill -9 of a restore at any time leaves no store, or a whole one; run again it succeeds',
  async (t) => {
    const run = (home: string) =>
      spawn(
        process.execPath,
        [join(checkout, 'dist/daemon/admin/backup/restore.js'), file, '--public-key', keptKey],
        {
          env: { ...daemon.env, KEYHOLD_HOME: home },
          stdio: 'ignore',
        },
      );
    let kills = 0;
    // A restore is in its folder `restoring` while it writes; the waits spread over that time.
    for (const wait of [0, 1, 3, 6, 10, 15, 25, 40]) {
      const home = join(folder, `killed-${wait}`);
      const child = run(home);
      const ended = once(child, 'exit');
      while (child.exitCode === null && !existsSync(join(home, 'restoring'))) await sleep(1);
      await sleep(wait);
      if (child.kill('SIGKILL')) kills += 1;
      await ended;
      if (existsSync(join(home, 'metadata'))) {
        t.match(
          await restore(home, file),
          { code: 2, stderr: /has a metadata store/ },
          'the killed restore was complete',
        );
        continue;
      }
      t.match(await restore(home, file), { code: 0 }, `a restore after a kill at ${wait} ms succeeds`);
      t.notOk(existsSync(join(home, 'restoring')));
    }
    t.ok(kills > 0, `${kills} kills`);
  },
);

await t.test('a home restored from a backup decrypts old ciphertexts', async (t) => {
  t.match(await restore(daemon.home, file), { code: 2, stderr: /has a metadata store/ });
  const restored = TestDaemon.at(join(folder, 'restored'));
  const done = await restore(restored.home, file);
  t.match(done, { code: 0, stdout: /What to do next[^]*tls\/server\.key[^]*recover audit --accept-loss/ });
  putBack(restored.home);
  // The log is not in the backup, but the store knows where it ends.
  await t.rejects(restored.start(), { message: /recover audit/ });
  t.match(await restored.cli(['recover', 'audit', '--accept-loss', '--yes']), { code: 0 });
  await restored.start();
  t.teardown(() => restored.stop());
  const again = await restored.connect();
  t.equal(Buffer.from((await again.decrypt({ ciphertextBlob })).plaintext).toString(), 'before the backup');
  const alice = await restored.connect({
    credentials: { accessKeyId: accessKey.accessKeyId, secretAccessKey: accessKey.secretAccessKey },
  });
  t.match(await alice.getCallerIdentity({}), { arn: /user\/alice/ });
  await alice.close();
  await again.close();
});

await t.test('without the token, an older store is refused until it is accepted', async (t) => {
  await client.close();
  await daemon.stop();
  const older = join(folder, 'stopped.backup');
  t.match(await daemon.cli(['backup', older]), { code: 0, stderr: /no daemon answers[^]*The backup is/ });
  await daemon.start();
  const changing = await daemon.connect();
  await changing.deleteAccessKey({ userName: 'alice', accessKeyId: accessKey.accessKeyId });
  await changing.close();
  await daemon.stop();
  rmSync(join(daemon.home, 'metadata'), { recursive: true });
  t.match(await restore(daemon.home, older), { code: 0, stdout: /The audit log in the home stays/ });
  await t.rejects(daemon.start(), { message: /recover store/ });
  t.match(await daemon.cli(['recover', 'store', '--accept-older-store', '--yes']), { code: 0 });
  await daemon.start();
  const again = await daemon.connect();
  t.equal(Buffer.from((await again.decrypt({ ciphertextBlob })).plaintext).toString(), 'before the backup');
  await again.close();
});
