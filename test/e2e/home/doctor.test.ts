import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { KeySpec } from '../../../proto/generated/messages.js';
import type { Check } from '../../../daemon/admin/hsm/doctor-checks.js';
import type { Examined } from '../../../daemon/keys/specs/token-probe.js';
import { keySpecs } from '../../../daemon/keys/specs/table.js';
import { TestDaemon } from '../../support/daemon.js';
import { labels, pkcs11Tool } from '../../support/token.js';

void t.test('doctor reports what the token can do, and leaves nothing in it', async (t) => {
  const daemon = await TestDaemon.start(t);
  const before = labels(daemon);
  const { code, stdout } = await daemon.cli(['doctor', '--json']);
  t.equal(code, 0);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Partial<Check & Examined & { advice: string }>);
  const rows = lines.filter((line): line is Examined => line.keySpec !== undefined);
  const checks = lines.filter((line): line is Check => line.check !== undefined);
  t.ok(checks.every(({ ok }) => ok));
  for (const name of ['library', 'pin source', 'token', 'mechanisms', 'rsa sizes', 'random'])
    t.ok(
      checks.some(({ check }) => check === name),
      name,
    );
  t.match(
    checks.find(({ check }) => check === 'rsa sizes'),
    { detail: '512 to 16384 bits' },
  );
  t.ok(
    rows.every(({ supported, milliseconds }) => supported === (milliseconds !== undefined)),
    'each supported algorithm was tried',
  );
  t.match(lines.at(-1)?.advice, /development/);
  const find = (keySpec: string, algorithm: string) =>
    rows.find((row) => row.keySpec === keySpec && row.algorithm === algorithm);
  t.match(find('SYMMETRIC_DEFAULT', 'SYMMETRIC_DEFAULT'), { mechanism: 'CKM_AES_GCM', supported: true });
  t.match(find('ECC_NIST_P256', 'ECDSA_SHA_256'), { mechanism: 'CKM_ECDSA', supported: true });
  t.match(find('ML_DSA_44', 'ML_DSA_SHAKE_256'), { supported: false, reason: /PKCS #11 v3\.2/ });
  const specs = new Set<string>(rows.map(({ keySpec }) => keySpec));
  t.same([...specs], Object.keys(keySpecs), 'every key spec has a row');
  for (const { keySpec, algorithm, supported } of rows) {
    const isThere = keySpecs[keySpec as KeySpec].unsupported === undefined && algorithm !== 'ML_KEM';
    t.equal(supported, isThere && algorithm !== 'ED25519_PH_SHA_512', `${keySpec} ${algorithm}`);
  }
  t.same(labels(daemon), before);
  const table = await daemon.cli(['doctor', '--no-trial']);
  t.match(table.stdout, /^SYMMETRIC_DEFAULT +ENCRYPT_DECRYPT +SYMMETRIC_DEFAULT +yes +CKM_AES_GCM$/m);
  t.match(table.stdout, /^library +ok +\/usr\/lib\/softhsm/m);
  await t.test('doctor says whether the token can be linked to that of another Region', async (t) => {
    t.match(table.stdout, /^multi-Region +ok +the profile knows no reason .*not with ECC_NIST_EDWARDS25519/m);
    const tryLink = (...pin: string[]) =>
      daemon.cli(['doctor', '--no-trial', '--try-link', '--officer-pin-command', ...pin]);
    const officer = join(daemon.home, 'tokens/so-pin');
    const tried = await tryLink('cat', officer);
    t.equal(tried.code, 0);
    t.match(tried.stdout, /^multi-Region +ok +can be linked to another Region: 7\d attacks were refused$/m);
    t.same(labels(daemon), before, 'no object is left');
    const wrong = await tryLink('echo', 'not the PIN');
    t.equal(wrong.code, 1);
    t.match(wrong.stderr, /The security officer cannot log in: The token refused the PIN/);
    t.notMatch(wrong.stdout + wrong.stderr, /not the PIN/);
    t.match(await tryLink('cat', officer), { code: 1, stderr: /nothing was tried/ });
    const without = await daemon.cli(['doctor', '--no-trial', '--try-link']);
    t.match(without, { code: 2, stderr: /asked for at a terminal, and here is none/ });
  });
  await t.test(
    'doctor destroys the token objects that a killed doctor left, and no other objects',
    async (t) => {
      const journal = join(daemon.home, 'doctor-default.json');
      const [left, other] = ['a1'.repeat(16), 'b2'.repeat(16)];
      const make = (label: string, id: string) =>
        pkcs11Tool(daemon, '--keygen', '--key-type', 'AES:32', '--label', label, '--id', id);
      make('keyhold/doctor', left);
      make('somebody else’s', other);
      writeFileSync(journal, JSON.stringify([left, other]));
      t.equal((await daemon.cli(['doctor', '--token-objects', '--no-trial'])).code, 0);
      t.notOk(existsSync(journal));
      t.same(labels(daemon), [...before, 'somebody else’s'].sort());
    },
  );
});

void t.test('doctor reports faults before it logs in', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  chmodSync(join(daemon.home, 'tokens/pin'), 0o644);
  const open = await daemon.cli(['doctor', '--no-trial']);
  t.equal(open.code, 1);
  t.match(open.stdout, /^pin source +WRONG +.*chmod 600/m);
  chmodSync(join(daemon.home, 'tokens/pin'), 0o600);
  const vendor = await daemon.cli([
    'doctor',
    '--profile',
    'luna',
    '--token-label',
    'x',
    '--pin-file',
    'tokens/pin',
  ]);
  t.equal(vendor.code, 1);
  t.match(vendor.stdout, /^profile .*NOT TESTED/m);
  t.match(vendor.stdout, /^library +WRONG +.*ENOENT; install the vendor's client/m);
  t.match(vendor.stderr, /There is no file/);
  for (const wrong of [
    ['--token-label', 'x'],
    ['--profile', 'luna'],
    ['--profile', 'no-such'],
  ])
    t.equal((await daemon.cli(['doctor', ...wrong])).code, 2, wrong.join(' '));
  const slot = await daemon.cli([
    'doctor',
    '--profile',
    'softhsm2',
    '--token-slot',
    '0',
    '--pin-file',
    'tokens/pin',
  ]);
  t.match(slot, { code: 2, stderr: /slot ids move: use label or serial/ });
  const user = await daemon.cli([
    'doctor',
    '--profile',
    'cloudhsm',
    '--token-label',
    'x',
    '--pin-file',
    'tokens/pin',
  ]);
  t.match(user.stdout + user.stderr, /has no 'user'|no 'user' for the token/);
});

void t.test('doctor tries a wrong PIN once, and says what to do', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  writeFileSync(join(daemon.home, 'tokens/pin'), '00000000');
  const first = await daemon.cli(['doctor']);
  t.equal(first.code, 1);
  t.match(first.stderr, /refused the PIN.*keyhold login-retry default/s);
  const second = await daemon.cli(['doctor']);
  t.equal(second.code, 1);
  t.match(second.stderr, /keyhold login-retry default/);
  t.equal((await daemon.cli(['doctor', '--no-such-option'])).code, 2);
});
