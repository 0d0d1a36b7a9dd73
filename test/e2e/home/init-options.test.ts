// keyhold init: options for everything that a server needs; none is ignored, and a run that fails leaves nothing behind.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { TestDaemon } from '../../support/daemon.js';

/** A folder of the test, and the path of a home in it that does not exist yet. */
function newHome(t: Test): { folder: string; daemon: TestDaemon } {
  const folder = mkdtempSync(join(tmpdir(), 'kh-o-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, daemon: TestDaemon.at(join(folder, 'above/home')) };
}

void t.test('options become settings, and the daemon runs with them', async (t) => {
  const { folder, daemon } = newHome(t);
  t.teardown(() => daemon.remove());
  const socket = join(folder, 'k.sock');
  const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();
  const options = [
    ...['--make-token', '--account', '123456789012', '--region', 'eu-central-1', '--token-label', 'server'],
    ...['--socket', socket, '--socket-group', group, '--socket-mode', '0666'],
    ...['--host', '0.0.0.0', '--port', '0', '--san', 'kms.example.org', '10.1.2.3', 'fd00::5'],
  ];
  t.match(await daemon.admin('init', options), { code: 0, stderr: '' });
  t.strictSame(parse(readFileSync(join(daemon.home, 'keyhold.yaml'), 'utf8')), {
    account: '123456789012',
    region: 'eu-central-1',
    hsm: { profile: 'softhsm2', tokenLabel: 'server', pin: { file: 'tokens/pin' } },
    listen: { socket, socketGroup: group, socketMode: '0666', host: '0.0.0.0', port: 0 },
    tls: { names: ['kms.example.org', '10.1.2.3', 'fd00::5'] },
  });
  const certificate = () => new X509Certificate(readFileSync(join(daemon.home, 'tls/server.pem')));
  const names = certificate().subjectAltName;
  t.equal(
    names,
    'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:kms.example.org, IP Address:10.1.2.3, IP Address:FD00:0:0:0:0:0:0:5',
  );
  t.match(
    await daemon.admin('init', options.slice(1)),
    { code: 0, stderr: '' },
    'a second run with the same options changes nothing',
  );
  await daemon.start();
  t.match(daemon.stdout, `ready unix:${socket} wss://kms.example.org:`);
  t.match(
    readFileSync(join(daemon.home, 'env'), 'utf8'),
    /AWS_ENDPOINT_URL_KMS=https:\/\/kms\.example\.org:/,
  );
  t.equal(statSync(socket).mode & 0o777, 0o666);
  t.equal(await daemon.stop(), 0);
  // A name that is added later is put into the certificate by the next start.
  const path = join(daemon.home, 'keyhold.yaml');
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace('- kms.example.org', '- kms.example.org\n    - added.example.org'),
  );
  await daemon.start();
  t.ok(certificate().checkHost('added.example.org'));
  t.equal(await daemon.stop(), 0);
  for (const [option, message] of [
    [['--host', '10.1.2.3'], /--host \(listen\.host\) would be ignored/],
    [['--region', 'us-east-1', '--port', '1'], /--region \(region\), --port \(listen\.port\) would be/],
    [['--make-token'], /is a home already, so --make-token would be ignored/],
    [['--share-token'], /--share-token would be ignored/],
  ] as const)
    t.match(await daemon.admin('init', option), { code: 1, stderr: message });
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace(`socketGroup: ${group}`, 'socketGroup: no-such-group'),
  );
  await t.rejects(daemon.start(), { message: /There is no group 'no-such-group'/ });
});

void t.test('a run that fails names the cause and leaves nothing', async (t) => {
  const { folder, daemon } = newHome(t);
  const pin = join(folder, 'pin');
  writeFileSync(pin, 'a-pin-of-the-test\n', { mode: 0o600 });
  const wrong = join(folder, 'wrong.pem');
  writeFileSync(wrong, 'no certificate\n');
  const company = ['--tls-certificate', wrong, '--tls-key', wrong, '--tls-ca', wrong];
  for (const [options, message] of [
    [[], /PIN file .* cannot be read \(ENOENT\)/],
    [['--pin-file', pin], /does not start|no token/],
    [['--pin-file', pin, '--pin-env', 'PIN'], /name exactly one of/],
    [['--pin-credential', 'pin'], /CREDENTIALS_DIRECTORY is not set/],
    [['--profile', 'nothing'], /no profile 'nothing'/],
    [['--account', '12'], /'account': 12 digits/],
    [['--host', '0.0.0.0'], /--host 0\.0\.0\.0 needs --san/],
    [['--san', 'not a name'], /a DNS name or an IP address/],
    [['--tls-certificate', wrong], /--tls-certificate, --tls-key, --tls-ca go together/],
    [company, /'tls\.certificate' and 'tls\.key' cannot be used/],
    [['--make-token', '--profile', 'luna'], /Profile 'luna' makes no token/],
    [['--make-token', '--pin-env', 'EMPTY_PIN'], /PIN source \$EMPTY_PIN is empty/],
  ] as [string[], RegExp][]) {
    t.match(await daemon.admin('init', options), { code: 1, stderr: message }, options.join(' '));
    t.notOk(existsSync(join(folder, 'above')), 'neither the home nor the folder above it exists');
  }
  t.match(await daemon.admin('init', ['--port', '70000']), { code: 2 });
  // Files that the operator put there stay.
  mkdirSync(join(daemon.home, 'tls'), { recursive: true, mode: 0o700 });
  writeFileSync(join(daemon.home, 'tls/company.pem'), 'mine');
  t.match(await daemon.admin('init'), { code: 1 });
  t.strictSame(readdirSync(daemon.home, { recursive: true }).sort(), ['tls', 'tls/company.pem']);
});

void t.test('a refused PIN is reported, and leaves no latch in a home that was not made', async (t) => {
  const { folder, daemon } = newHome(t);
  t.match(await daemon.admin('init', ['--make-token']), { code: 0 });
  const token = join(daemon.home, 'tokens');
  const second = TestDaemon.at(join(folder, 'second'));
  mkdirSync(second.home);
  execFileSync('cp', ['-r', token, second.home]);
  const before = readdirSync(second.home, { recursive: true }).sort();
  const pin = join(folder, 'pin');
  writeFileSync(pin, 'not-the-pin\n', { mode: 0o600 });
  t.match(await second.admin('init', ['--pin-file', pin, '--share-token']), {
    code: 1,
    stderr: /refused the PIN.*has counted the attempt/,
  });
  t.strictSame(
    readdirSync(second.home, { recursive: true }).sort(),
    before,
    'a home that was not created gets no latch',
  );
});
