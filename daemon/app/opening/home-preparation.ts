// What a start puts right in a home before it reads it.
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { inHome } from '../../config/load.js';
import type { Config } from '../../config/schema.js';
import { keepHomePrivate } from './home-files.js';
import { homePaths } from '../../files/home.js';

/** A certificate of the development CA that ends sooner than this, in milliseconds, is renewed. */
const renewBefore = 30 * 24 * 60 * 60 * 1000;

/**
 * Keeps others out of the home, and renews the development certificate before it ends.
 * @returns a sentence for each change
 * @throws ConfigError
 */
export async function prepareHome(home: string, { tls }: Config): Promise<string[]> {
  const said = keepHomePrivate(home);
  const path = inHome(home, tls.certificate);
  if (!isOwn(home, tls) || (existsSync(path) && !isEnding(path))) return said;
  // Loaded where it is needed: it takes a tenth of a start.
  const { ensureCertificates } = await import('./certificates.js');
  if (await ensureCertificates(home)) said.push(`the server certificate ${path} was made anew`);
  return said;
}

/** Whether the configuration names the files that `keyhold init` makes. */
function isOwn(home: string, { certificate, key }: Config['tls']): boolean {
  return (
    inHome(home, certificate) === homePaths(home).serverCertificate &&
    inHome(home, key) === homePaths(home).serverKey
  );
}

/** A file that is no certificate is for who reads it next to complain of. */
function isEnding(path: string): boolean {
  try {
    return Date.parse(new X509Certificate(readFileSync(path)).validTo) - Date.now() < renewBefore;
  } catch {
    return false;
  }
}
