// The location of a home, and the modes of its files.
import { X509Certificate } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { makeServerCertificate } from '../../support/certificates/development-certificate.js';
import { checkout } from '../../support/paths.js';
import { StoreCopies } from '../../support/store-copies.js';
import { labels } from '../../support/token.js';

function newFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'kh-place-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function createKey(daemon: TestDaemon): Promise<string> {
  const client = await daemon.connect();
  try {
    return (await client.createKey({})).keyMetadata.keyId;
  } finally {
    await client.close();
  }
}

void t.test('a copied home uses its own token, and the original stays unchanged', async (t) => {
  const original = await TestDaemon.start(t);
  await createKey(original);
  await original.stop();
  const before = labels(original);
  const copy = TestDaemon.at(join(newFolder(t), 'copy'));
  t.teardown(() => copy.stop('SIGKILL'));
  cpSync(original.home, copy.home, { recursive: true });
  await copy.start();
  t.match(copy.stderr, `is a copy of the home ${original.home}, which is still there`);
  t.match(copy.events('StartService').at(-1), {
    serviceEventDetails: { home: { copiedFrom: original.home } },
  });
  const keyId = await createKey(copy);
  await copy.stop();
  t.strictSame(labels(original), before);
  t.ok(labels(copy).includes(`keyhold/${keyId}`));
  await original.start();
  t.notMatch(original.stderr, /copy|anchor/);
  await copy.start();
  t.notMatch(copy.stderr, /is a copy/, 'the warning appears once');
});

void t.test('a copy that would write into the original’s token is refused', async (t) => {
  const original = await TestDaemon.initialise();
  t.teardown(() => original.remove());
  // A profile whose token is outside the home, as an HSM is.
  const tokens = newFolder(t);
  cpSync(join(original.home, 'tokens/softhsm2'), tokens, { recursive: true });
  const conf = join(tokens, 'softhsm2.conf');
  writeFileSync(conf, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  const profile = {
    name: 'outside',
    library: '/usr/lib/softhsm/libsofthsm2.so',
    environment: { SOFTHSM2_CONF: conf },
  };
  writeFileSync(join(original.home, 'outside.yaml'), JSON.stringify(profile));
  const config = join(original.home, 'keyhold.yaml');
  writeFileSync(config, readFileSync(config, 'utf8').replace('profile: softhsm2', 'profile: outside.yaml'));
  await original.start();
  await original.stop();
  const copy = TestDaemon.at(join(newFolder(t), 'copy'));
  t.teardown(() => copy.stop('SIGKILL'));
  cpSync(original.home, copy.home, { recursive: true });
  await t.rejects(copy.start(), { message: /is a copy of the home .* the same token.*Nothing was changed/s });
  renameSync(original.home, `${original.home}.old`);
  t.teardown(() => rmSync(`${original.home}.old`, { recursive: true, force: true }));
  await copy.start();
  t.match(copy.stderr, /this home was .* before, and is/);
});

void t.test('a moved home works, and says where it was', async (t) => {
  const daemon = await TestDaemon.start(t);
  const keyId = await createKey(daemon);
  await daemon.stop();
  const moved = TestDaemon.at(join(newFolder(t), 'moved'));
  t.teardown(() => moved.stop('SIGKILL'));
  renameSync(daemon.home, moved.home);
  await moved.start();
  t.match(moved.stderr, `this home was ${daemon.home} before`);
  const client = await moved.connect();
  t.ok(await client.encrypt({ keyId, plaintext: Buffer.from('x') }));
  await client.close();
  t.match(moved.events('StartService').at(-1), { serviceEventDetails: { home: { movedFrom: daemon.home } } });
});

void t.test('a start closes home and secret files to other users', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const secrets = ['credentials', 'tokens/so-pin', 'tls/server.key', 'tls/ca.key'];
  chmodSync(daemon.home, 0o755);
  for (const name of secrets) chmodSync(join(daemon.home, name), 0o644);
  await daemon.start();
  const mode = (name: string) => statSync(join(daemon.home, name)).mode & 0o777;
  t.equal(mode('.'), 0o700);
  for (const name of secrets) t.equal(mode(name), 0o600, name);
  t.match(daemon.stderr, /was open to other users: its mode is 0700 now/);
});

void t.test('a start renews the development certificate, but none of another CA', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const path = join(daemon.home, 'tls/server.pem');
  const ca = readFileSync(join(daemon.home, 'tls/ca.pem'));
  const soon = makeServerCertificate(daemon.home, 10);
  writeFileSync(path, soon.certificate);
  writeFileSync(join(daemon.home, 'tls/server.key'), soon.key);
  await daemon.start();
  t.match(daemon.stderr, /server certificate .* was made anew/);
  const renewed = new X509Certificate(readFileSync(path));
  t.ok(Date.parse(renewed.validTo) > Date.now() + 300 * 86_400_000);
  t.ok(renewed.verify(new X509Certificate(ca).publicKey), 'the new certificate is signed by the same CA');
  await daemon.stop();
  // A certificate of another CA is left unchanged.
  const foreign = makeServerCertificate(daemon.home, 10, true);
  writeFileSync(path, foreign.certificate);
  writeFileSync(join(daemon.home, 'tls/server.key'), foreign.key);
  await daemon.start();
  t.equal(readFileSync(path, 'utf8'), foreign.certificate);
  await daemon.stop();
  // A lost certificate is made again, signed by the existing CA. Without the CA's key the start is refused.
  rmSync(path);
  await daemon.start();
  t.ok(new X509Certificate(readFileSync(path)).verify(new X509Certificate(ca).publicKey));
  t.strictSame(readFileSync(join(daemon.home, 'tls/ca.pem')), ca);
  await daemon.stop();
  rmSync(path);
  rmSync(join(daemon.home, 'tls/ca.key'));
  await t.rejects(daemon.start(), { message: /server\.pem cannot be read/ });
  t.strictSame(readFileSync(join(daemon.home, 'tls/ca.pem')), ca, 'the existing CA is not replaced');
});

void t.test('a store that a newer Keyhold wrote is refused before anything is written', async (t) => {
  const daemon = await TestDaemon.start(t);
  const copies = new StoreCopies(daemon);
  t.teardown(() => copies.remove());
  await createKey(daemon);
  await daemon.stop();
  const instance = JSON.parse((await copies.values()).get('meta/instance')!.toString()) as object;
  const refused = async (message: RegExp) => {
    const [before, events] = [await copies.values(), daemon.auditRecords().length];
    await t.rejects(daemon.start(), { message });
    t.match(await daemon.admin('recover-store', ['--accept-older-store', '--yes']), {
      code: 1,
      stderr: message,
    });
    t.match(await daemon.admin('init'), { code: 1, stderr: message });
    t.strictSame(await copies.values(), before);
    t.equal(daemon.auditRecords().length, events);
  };
  const newer = Buffer.from(JSON.stringify({ ...instance, format: 3, cluster: {} }));
  await copies.write(new Map([['meta/instance', newer]]));
  await refused(/written by a newer Keyhold: its format is 3.*reads up to 2/);
  await copies.write(new Map([['meta/instance', Buffer.from(JSON.stringify(instance))]]));
  const unknown = await copies.authentic('replica/1', '{}');
  await copies.write(new Map([['record/replica/1', unknown]]));
  const message = /written by a newer Keyhold: it has records of kinds.*'replica'/;
  await t.rejects(daemon.start(), { message });
  t.match(await daemon.admin('recover-store', ['--accept-older-store', '--yes']), {
    code: 1,
    stderr: message,
  });
});

void t.test('the public key of the audit log is restored from the HSM', async (t) => {
  const daemon = await TestDaemon.start(t);
  await daemon.stop();
  const path = join(daemon.home, 'audit-public-key.pem');
  const key = readFileSync(path, 'utf8');
  rmSync(path);
  t.match(await daemon.admin('init'), { code: 0 });
  t.equal(readFileSync(path, 'utf8'), key);
  rmSync(path);
  await daemon.start();
  t.equal(readFileSync(path, 'utf8'), key);
  t.ok(existsSync(path));
  t.match(await daemon.admin('audit-verify'), { code: 0 });
});

void t.test('a keyhold.yaml that cannot be read is reported with the reason', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const path = join(daemon.home, 'keyhold.yaml');
  renameSync(path, `${path}.kept`);
  await t.rejects(daemon.start(), {
    message: /keyhold\.yaml cannot be read: the file does not exist.*restore the file/,
  });
  t.match(await daemon.admin('init'), { code: 1, stderr: /keyhold\.yaml cannot be read/ });
  t.notOk(existsSync(path), 'no keyhold.yaml is created next to a store');
});

void t.test('anything that keeps the daemon from a file is reported', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const audit = join(daemon.home, 'audit');
  writeFileSync(audit, '');
  await t.rejects(daemon.start(), {
    message: /audit log cannot be opened.*\/audit'. Something else is in its place: move it away/,
  });
  rmSync(audit);
  const config = join(daemon.home, 'keyhold.yaml');
  const text = readFileSync(config);
  rmSync(config);
  mkdirSync(config);
  await t.rejects(daemon.start(), { message: /keyhold\.yaml cannot be read: it is a folder/ });
  rmSync(config, { recursive: true });
  writeFileSync(config, text);
  if (process.getuid?.() !== 0) return;
  // Root may access everything, so the daemon runs as another user.
  const nobody = 65534;
  const start = () =>
    spawnSync(process.execPath, [join(checkout, 'dist/daemon/main.js')], {
      env: daemon.env,
      uid: nobody,
      gid: nobody,
      encoding: 'utf8',
    });
  execFileSync('chown', ['-R', `${nobody}:${nobody}`, daemon.home]);
  mkdirSync(audit, { mode: 0o500 });
  chownSync(audit, nobody, nobody);
  const refused = start();
  if (/EACCES.*(main\.js|node)/.test(refused.stderr + String(refused.error))) return;
  t.match(refused, {
    status: 1,
    stderr: /audit log cannot be opened. EACCES.*Give the daemon's user access/,
  });
  chmodSync(config, 0);
  t.match(start(), { status: 1, stderr: /keyhold\.yaml cannot be read: the daemon's user may not read it/ });
  chmodSync(config, 0o600);
  chownSync(daemon.home, 0, 0);
  chmodSync(daemon.home, 0o755);
  t.match(start(), { status: 1, stderr: /is open to other users of this machine.*chmod 700/ });
});
