import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import { toPem } from '../../../daemon/identity/certificates/pem.js';

void t.test('a certificate of any length can be written and read again', (t) => {
  const folder = t.testdir({});
  const lengths = new Set<number>();
  for (let length = 1; length <= 48; length++) {
    const file = join(folder, `${length}.pem`);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const files = ['-keyout', join(folder, 'key.pem'), '-out', file];
    execFileSync('openssl', ['req', '-x509', ...key, '-subj', `/CN=${'x'.repeat(length)}`, ...files], {
      stdio: 'ignore',
    });
    const der = Buffer.from(
      execFileSync('openssl', ['x509', '-in', file, '-outform', 'DER'], { maxBuffer: 1e6 }),
    );
    t.ok(new X509Certificate(toPem(der, 'CERTIFICATE')).raw.equals(der), `${der.length} bytes`);
    lengths.add(Math.ceil(der.length / 3) % 16);
  }
  t.ok(lengths.has(0), 'one certificate ends with a full line');
  t.end();
});

void t.test('no line is empty', (t) => {
  for (let length = 1; length <= 200; length++) {
    const lines = toPem(Buffer.alloc(length, 7), 'X509 CRL').trimEnd().split('\n');
    t.ok(lines.slice(1, -1).every((line) => line.length >= 1 && line.length <= 64));
  }
  t.end();
});
