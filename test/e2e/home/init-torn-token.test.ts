// A run of init that is killed while SoftHSM2 writes its token leaves a token on which every call fails.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { TestDaemon } from '../../support/daemon.js';

function newHome(t: Test): TestDaemon {
  const folder = mkdtempSync(join(tmpdir(), 'kh-torn-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return TestDaemon.at(join(folder, 'home'));
}

void t.test('an incomplete token is set aside, and another one is created', async (t) => {
  const whole = newHome(t);
  t.match(await whole.admin('init', ['--make-token']), { code: 0 });
  const tokens = join(whole.home, 'tokens', 'softhsm2');
  const [name = ''] = readdirSync(tokens);
  const token = readFileSync(join(tokens, name, 'token.object'));

  const daemon = newHome(t);
  const folder = join(daemon.home, 'tokens', 'softhsm2', name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, 'token.object'), token.subarray(0, 104), { mode: 0o600 });
  writeFileSync(join(folder, 'token.lock'), '');
  t.match(await daemon.admin('init', ['--make-token']), { code: 0, stderr: '' });
  const aside = join(daemon.home, 'tokens', `half-made-${name}`, 'token.object');
  t.strictSame(readFileSync(aside), token.subarray(0, 104), 'nothing is destroyed');
});

void t.test('a damaged token that contains objects stays where it is', async (t) => {
  const daemon = newHome(t);
  t.match(await daemon.admin('init', ['--make-token']), { code: 0 });
  const tokens = join(daemon.home, 'tokens', 'softhsm2');
  const [name = ''] = readdirSync(tokens);
  for (const trace of ['metadata', 'credentials', 'audit-public-key.pem', 'tokens/softhsm2.copies'])
    rmSync(join(daemon.home, trace), { recursive: true });
  const path = join(tokens, name, 'token.object');
  writeFileSync(path, readFileSync(path).subarray(0, 104));
  const before = readdirSync(join(tokens, name));
  t.match(await daemon.admin('init', ['--make-token']), { code: 1 });
  t.strictSame(readdirSync(join(tokens, name)), before);
});
