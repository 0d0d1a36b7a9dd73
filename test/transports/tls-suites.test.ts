// Protocol versions and suites of the TLS port, tested with openssl as the client.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeServerCertificate } from '../support/certificates/development-certificate.js';
import { TestDaemon } from '../support/daemon.js';
import { openssl } from '../support/certificates/openssl.js';

interface Suite {
  readonly name: string;
  readonly protocol: string;
  readonly exchange: string;
  readonly authentication: string;
  readonly encryption: string;
}

/** Every TLS 1.2 suite of this machine's openssl, including those that it does not offer by default. */
function suitesOfTls12(): Suite[] {
  const lines = openssl(['ciphers', '-v', '-s', '-tls1_2', 'ALL:@SECLEVEL=0'], {})
    .toString()
    .trim()
    .split('\n');
  return lines.map((line) => {
    const [name = '', protocol = ''] = line.split(/ +/);
    const field = (key: string) => new RegExp(` ${key}=(\\S+)`).exec(line)?.[1] ?? '';
    return {
      name,
      protocol,
      exchange: field('Kx'),
      authentication: field('Au'),
      encryption: field('Enc'),
    };
  });
}

/** The negotiated suite of a handshake; undefined: none. */
function agreed(daemon: TestDaemon, args: readonly string[]): string | undefined {
  const port = new URL(daemon.wss).port;
  const { stdout } = spawnSync('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], {
    input: '',
    encoding: 'utf8',
  });
  const suite = /^New, [^,]*, Cipher is (\S+)$/m.exec(stdout)?.[1];
  return suite === '(NONE)' ? undefined : suite;
}

void t.test('TLS 1.2 is offered only with forward secrecy and authenticated encryption', async (t) => {
  const daemon = await TestDaemon.start(t);
  const suites = suitesOfTls12();
  const isGood = ({ exchange, encryption }: Suite) =>
    exchange === 'ECDH' && /^(AESGCM|CHACHA20\/POLY1305)/.test(encryption);
  t.ok(
    suites.some((suite) => !isGood(suite) && suite.authentication === 'ECDSA'),
    'openssl can request other suites too',
  );
  const check = (authentication: string) => {
    const others = suites.filter((suite) => !isGood(suite)).map(({ name }) => name);
    t.equal(agreed(daemon, ['-tls1_2', '-cipher', `${others.join(':')}:@SECLEVEL=0`]), undefined);
    const good = suites.filter((suite) => isGood(suite) && suite.authentication === authentication);
    const taken = good.filter(({ name }) => agreed(daemon, ['-tls1_2', '-cipher', name]) === name);
    t.ok(taken.length >= 3, `AES-128, AES-256 and ChaCha20 with ${authentication}`);
  };
  check('ECDSA');
  t.equal(agreed(daemon, ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0']), undefined);
  t.match(agreed(daemon, ['-tls1_3']), /^TLS_/);
  // The suites with an RSA certificate too, after a reload.
  const rsa = makeServerCertificate(daemon.home, 10, true, 'rsa');
  writeFileSync(join(daemon.home, 'tls/rsa.pem'), rsa.certificate);
  writeFileSync(join(daemon.home, 'tls/rsa.key'), rsa.key);
  daemon.configure('tls:\n  certificate: tls/rsa.pem\n  key: tls/rsa.key');
  await daemon.reload();
  check('RSA');
});
