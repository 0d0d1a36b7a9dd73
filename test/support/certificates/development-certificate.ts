// Server certificates, by openssl.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ServerCertificate {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

/**
 * Makes a certificate for CN=Keyhold.
 * @param days validity
 * @param isForeign whether a CA other than the home's signs it
 */
export function makeServerCertificate(
  home: string,
  days: number,
  isForeign = false,
  algorithm: 'ec' | 'rsa' = 'ec',
): ServerCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'kh-certificate-'));
  const path = (name: string) => join(folder, name);
  const kinds = { ec: ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'], rsa: ['rsa:2048'] };
  const newKey = ['-newkey', ...kinds[algorithm], '-nodes', '-keyout', path('key')];
  const run = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  try {
    if (isForeign) {
      run('req', '-x509', ...newKey, '-subj', '/CN=Keyhold', '-days', `${days}`, '-out', path('certificate'));
    } else {
      const ca = ['-CA', join(home, 'tls/ca.pem'), '-CAkey', join(home, 'tls/ca.key'), '-CAcreateserial'];
      const serial = ['-CAserial', path('serial')];
      run('req', '-new', ...newKey, '-subj', '/CN=Keyhold', '-out', path('request'));
      run(
        'x509',
        '-req',
        '-in',
        path('request'),
        ...ca,
        ...serial,
        '-days',
        `${days}`,
        '-out',
        path('certificate'),
      );
    }
    return { certificate: readFileSync(path('certificate'), 'utf8'), key: readFileSync(path('key'), 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
