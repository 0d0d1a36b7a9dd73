// keyhold hsm list: next to a daemon, without one, without a PIN, and its error messages.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pkcs11 from 'pkcs11js';
import t from 'tap';
import type { Listing } from '../../../daemon/admin/hsm/list-report.js';
import type { Owner } from '../../../daemon/admin/hsm/owners.js';
import { makeFaulty } from '../../faults/faulty-home.js';
import { TestDaemon } from '../../support/daemon.js';
import { softHsmLibrary } from '../../support/pkcs11-session.js';
import { pkcs11Tool } from '../../support/token.js';

const parse = (stdout: string) => JSON.parse(stdout) as Listing;
const list = async (daemon: TestDaemon, ...args: string[]) => {
  const { code, stdout, stderr } = await daemon.cli(['hsm', 'list', '--output', 'json', ...args]);
  return { code, stderr, stdout, listing: stdout === '' ? undefined : parse(stdout) };
};

void t.test('slots, tokens, mechanisms, and objects with their owners', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  const keyId = (await client.createKey({})).keyMetadata.keyId;
  await client.createAlias({ aliasName: 'alias/first', targetKeyId: keyId });
  await client.rotateKeyOnDemand({ keyId });
  await client.createKey({ keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' });
  const external = (await client.createKey({ origin: 'EXTERNAL' })).keyMetadata.keyId;
  await client.getParametersForImport({
    keyId: external,
    wrappingAlgorithm: 'RSA_AES_KEY_WRAP_SHA_256',
    wrappingKeySpec: 'RSA_2048',
  });
  pkcs11Tool(daemon, '--keygen', '--key-type', 'AES:32', '--label', 'theirs\u0007', '--id', 'ff01');
  await client.close();

  await t.test('next to a daemon the labels show the owners of objects', async (t) => {
    const { code, listing, stderr } = await list(daemon);
    t.equal(code, 0, stderr);
    const { slots, selectedSlot, objects, notes } = listing!;
    t.match(notes, [/daemon has the metadata store open/]);
    t.match(slots.find(({ id }) => id === selectedSlot)?.token, {
      label: 'keyhold',
      model: 'SoftHSM v2',
      userPin: 'set',
      isInitialized: true,
      flags: ['RNG', 'LOGIN_REQUIRED', 'USER_PIN_INITIALIZED'],
    });
    t.ok(slots.some(({ token }) => token?.isInitialized === false && token.userPin === 'not set'));
    const owned = objects!.filter(({ owner }) => owner.keyId === keyId).map(({ owner }) => owner.kind);
    t.same(owned, ['key material', 'key material'], 'the materials before and after the rotation are listed');
    t.notOk(objects!.some(({ owner }) => owner.kind === 'key'));
  });

  await t.test('the mechanisms that Keyhold needs are available, except those of ML-KEM', async (t) => {
    const { mechanisms, neededMechanisms } = (await list(daemon, '--no-login')).listing!;
    const gcm = neededMechanisms!.find(({ name }) => name === 'CKM_AES_GCM');
    t.match(gcm, { type: 0x1087, availability: 'there', keySpecs: ['SYMMETRIC_DEFAULT'] });
    const missing = neededMechanisms!.filter(({ availability }) => availability !== 'there');
    t.same(missing.map(({ name }) => name).sort(), ['CKM_ML_KEM', 'CKM_ML_KEM_KEY_PAIR_GEN']);
    t.match(
      mechanisms!.find(({ name }) => name === 'CKM_AES_KEY_GEN'),
      { minKeySize: 16, maxKeySize: 32, flags: ['GENERATE'] },
    );
  });

  await daemon.stop();
  await t.test('without a daemon the records name keys and aliases', async (t) => {
    const { code, listing } = await list(daemon);
    t.equal(code, 0);
    t.same(listing!.notes, []);
    const owners = listing!.objects!.map(({ owner }) => owner);
    const key = { kind: 'key', keyId, aliases: ['alias/first'] };
    const ofKey = owners.filter((owner) => owner.keyId === keyId);
    t.same(
      ofKey.sort((a, b) => Number(a.isCurrent) - Number(b.isCurrent)),
      [
        { ...key, isCurrent: false },
        { ...key, isCurrent: true },
      ],
    );
    const ofKind = (kind: Owner['kind']) => owners.filter((owner) => owner.kind === kind);
    t.equal(ofKind('key').length, 4, 'two materials, and a pair');
    t.equal(ofKind('audit key').length, 2);
    t.equal(ofKind('internal key').length, 5);
    t.equal(ofKind('anchor').length, 1);
    t.match(ofKind('wrapping key'), [{ keyId: external }, { keyId: external }]);
    t.match(
      listing!.objects!.filter(({ owner }) => owner.kind === 'foreign'),
      [{ label: 'theirs\u0007', id: 'ff01', class: 'SECRET_KEY', keyType: 'AES' }],
    );
  });

  await t.test('as text, without control characters', async (t) => {
    const { code, stdout } = await daemon.cli(['hsm', 'list']);
    t.equal(code, 0);
    t.match(stdout, /^\* +\d+ +keyhold +[0-9a-f]{16} +SoftHSM v2 +set .*login required/m);
    t.match(stdout, new RegExp(`^Keyhold key ${keyId} \\(alias/first\\), older material +SECRET_KEY`, 'm'));
    t.match(stdout, /^foreign +SECRET_KEY +AES +ff01 +theirs\?$/m);
    t.notMatch(stdout, /\u0007/);
  });

  await t.test('a module can be listed without a profile and a home', async (t) => {
    const env = { KEYHOLD_HOME: '', SOFTHSM2_CONF: join(daemon.home, 'tokens/softhsm2.conf') };
    const args = ['--module', softHsmLibrary, '--output', 'json'];
    const open = await daemon.admin('hsm-list', args, env);
    t.equal(open.code, 0, open.stderr);
    t.match(parse(open.stdout), { objects: undefined, notes: [/--pin-file FILE or --pin-env NAME/] });
    t.ok(parse(open.stdout).mechanisms, 'the only initialised token is chosen');
    const pin = readFileSync(join(daemon.home, 'tokens/pin'), 'utf8');
    const named = [...args, '--token', 'keyhold', '--pin-env', 'TOKEN_PIN'];
    const { code, stdout } = await daemon.admin('hsm-list', named, { ...env, TOKEN_PIN: pin });
    t.equal(code, 0);
    t.ok(parse(stdout).objects!.length > 10);
  });

  await t.test('faults of module, token and options are reported', async (t) => {
    t.match(await list(daemon, '--module', '/no/such.so'), {
      code: 1,
      stderr: /There is no file/,
      stdout: '',
    });
    const text = join(daemon.home, 'keyhold.yaml');
    t.match(await list(daemon, '--module', text), { code: 1, stderr: /is no PKCS#11 module/ });
    const absent = await list(daemon, '--token', 'other');
    t.match(absent, { code: 1, stderr: /no initialised token with label "other"/ });
    t.ok(absent.listing!.slots.length >= 2, 'the slots are listed nevertheless');
    t.match(await list(daemon, '--module', softHsmLibrary, '--profile', 'nss'), { code: 2 });
    t.match(await list(daemon, '--output', 'xml'), { code: 2 });
    const another = await list(daemon, '--user', 'bob');
    t.match(
      another.listing!.notes,
      [/no PIN to log in with/],
      'the configured PIN is only for the user of keyhold.yaml',
    );
    const named = await list(daemon, '--user', 'bob', '--pin-file', 'tokens/pin');
    t.match(named.listing!.notes, [
      /names a 'user' for the token: remove it, as a login to SoftHSM2 has none/,
    ]);
    t.notOk(another.listing!.objects ?? named.listing!.objects);
  });
});

void t.test('a wrong PIN is tried once, and a locked one never', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const faults = makeFaulty(daemon);
  t.teardown(() => faults.close());
  const logins = faults.add('C_Login', 'count');
  const pin = join(daemon.home, 'tokens/pin');
  const good = readFileSync(pin);
  writeFileSync(pin, 'wrong-pin-of-the-test');
  for (let run = 0; run < 2; run++) {
    const { code, stderr, stdout, listing } = await list(daemon);
    t.equal(code, 1);
    t.match(stderr, /refused the PIN.*keyhold login-retry default/s);
    t.notMatch(stdout + stderr, /wrong-pin-of-the-test/);
    t.ok(listing!.mechanisms && !listing!.objects, 'everything that needs no PIN is listed');
    t.equal(logins.fired, 1);
  }
  writeFileSync(pin, good);
  t.equal((await daemon.admin('login-retry', ['default'])).code, 0);
  t.match(
    await list(daemon),
    { code: 1, stderr: /an earlier wrong PIN/ },
    "the token's flag of a wrong PIN prevents another attempt",
  );
  t.equal(logins.fired, 1);
  // A correct PIN clears the flag, which SoftHSM2 stores.
  pkcs11Tool(daemon, '--list-objects');
  const locked = faults.add('C_Login', 'fail', { argument: pkcs11.CKR_PIN_LOCKED });
  t.match(await list(daemon), { code: 1, stderr: /has locked its user PIN/ });
  locked.clear();
  t.match(await list(daemon), { code: 1, stderr: /login-retry/ }, 'the latch prevents another attempt');
  t.equal((await daemon.admin('login-retry', ['default'])).code, 0);
  t.equal((await list(daemon)).code, 0);
  faults.clear();
});

const hasNss = existsSync('/usr/lib/x86_64-linux-gnu/libsoftokn3.so') && existsSync('/usr/bin/certutil');
void t.test(
  'a token of another vendor’s module is listed by its profile',
  { skip: !hasNss && 'SKIPPED: needs apt-get install libnss3 libnss3-tools' },
  async (t) => {
    const daemon = await TestDaemon.initialise();
    t.teardown(() => daemon.remove());
    const pinFile = join(daemon.home, 'tokens/nss-pin');
    writeFileSync(pinFile, 'nss-pin-1234', { mode: 0o600 });
    mkdirSync(join(daemon.home, 'tokens/nss'));
    execFileSync('certutil', ['-N', '-d', `sql:${join(daemon.home, 'tokens/nss')}`, '-f', pinFile], {
      stdio: 'ignore',
    });
    const named = ['--profile', 'nss', '--token', 'NSS Certificate DB', '--pin-file', 'tokens/nss-pin'];
    const { code, stderr, listing } = await list(daemon, ...named);
    t.equal(code, 0, stderr);
    const { slots, neededMechanisms, objects } = listing!;
    t.ok(slots.some(({ token }) => token?.label === 'NSS Certificate DB'));
    t.match(
      neededMechanisms!.find(({ name }) => name === 'CKM_EDDSA'),
      { availability: 'missing' },
    );
    t.ok(objects!.every(({ owner }) => owner.kind === 'foreign'));
  },
);
