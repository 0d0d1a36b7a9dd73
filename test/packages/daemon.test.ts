// The package of the daemon, packed and unpacked: it makes a home, starts, and has all programs of the command line.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { checkout } from '../support/paths.js';
import { outOfPlace, pack } from './packing.js';

const run = promisify(execFile);

void t.test('the package of the daemon works after unpacking', { timeout: 300_000 }, async (t) => {
  const folder = t.testdir();
  // The checkout is already compiled.
  const packed = await pack(join(folder, 'packed'), ['--ignore-scripts']);
  t.strictSame(outOfPlace(packed.files), []);
  t.strictSame(
    packed.files.filter((path) => /\.d\.ts$|^(daemon|client|proto|node_modules)\//.test(path)),
    [],
  );
  for (const file of ['LICENSE', 'README.md', 'CHANGELOG.md']) t.ok(packed.files.includes(file), file);

  await run('tar', ['-xzf', packed.tarball, '-C', folder]);
  const unpacked = join(folder, 'package');
  // Compiling native modules is npm's task, not the package's.
  symlinkSync(join(checkout, 'node_modules'), join(unpacked, 'node_modules'));
  // Not below the folder of the test: the path of a socket has at most 107 bytes.
  const home = mkdtempSync(join(tmpdir(), 'kh-'));
  t.teardown(() => rmSync(home, { recursive: true }));
  const { PATH, HOME, TMPDIR } = process.env;
  const env = {
    ...{ PATH, HOME, TMPDIR, KEYHOLD_HOME: home, KEYHOLD_PORT: '0' },
    KEYHOLD_URL: `unix:${join(home, 'keyhold.sock')}`,
    AWS_SHARED_CREDENTIALS_FILE: join(home, 'credentials'),
  };
  const keyhold = async (...args: string[]) =>
    (await run(process.execPath, [join(unpacked, 'dist/client/cli/main.js'), ...args], { env })).stdout;

  await keyhold('init', '--make-token');
  const daemon = spawn(process.execPath, [join(unpacked, 'dist/daemon/main.js')], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(daemon, 'close');
  t.teardown(async () => {
    daemon.kill('SIGKILL');
    await ended;
  });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    daemon.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (/^ready .*\n/m.test(output)) resolve();
    });
    ended.then(() => reject(new Error('the daemon ended')), reject);
  });
  const keyId = (await keyhold('create-key', '--query', 'KeyMetadata.KeyId', '--output', 'text')).trim();
  t.match(await keyhold('describe-key', '--key-id', keyId), keyId);
  t.match(await keyhold('audit', 'tail'), keyId);
  t.match(await keyhold('hsm', 'list'), /SoftHSM/);
});
