// What a start corrects in a home before it reads it.
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { inHome } from '../../config/load.js';
import type { Config } from '../../config/schema.js';
import { certificateNames, isNameOf } from './certificate-names.js';
import { keepHomePrivate } from './home-files.js';
import { homePaths } from '../../files/home.js';

/** Milliseconds before its expiry at which a certificate of the development CA is renewed. */
const renewBefore = 30 * 24 * 60 * 60 * 1000;

/**
 * Keeps the home private, and renews the development certificate before it expires.
 * @returns a sentence for each change
 * @throws ConfigError
 */
export async function prepareHome(home: string, config: Config): Promise<string[]> {
  const said = keepHomePrivate(home);
  if (await ensureConfiguredCertificates(home, config))
    said.push(`the server certificate ${inHome(home, config.tls.certificate)} was made anew`);
  return said;
}

/**
 * Makes or renews the server certificate of Keyhold's own CA, unless the configuration names another certificate. It is
 * renewed before it expires, and if it lacks a configured name.
 * @returns whether one was made
 */
export async function ensureConfiguredCertificates(home: string, config: Config): Promise<boolean> {
  const { tls } = config;
  const path = inHome(home, tls.certificate);
  const names = certificateNames(config);
  if (!isOwn(home, tls) || (existsSync(path) && !isToBeRenewed(path, names))) return false;
  // Loaded only if needed, because it takes a tenth of the start-up time.
  const { ensureCertificates } = await import('./certificates.js');
  return await ensureCertificates(home, names);
}

/** Whether the configuration names the files that `keyhold init` makes. */
function isOwn(home: string, { certificate, key }: Config['tls']): boolean {
  return (
    inHome(home, certificate) === homePaths(home).serverCertificate &&
    inHome(home, key) === homePaths(home).serverKey
  );
}

/**
 * Whether a certificate expires soon or lacks a name; a file that is not a certificate is reported when it is read later.
 */
function isToBeRenewed(path: string, names: readonly string[]): boolean {
  try {
    const certificate = new X509Certificate(readFileSync(path));
    if (Date.parse(certificate.validTo) - Date.now() < renewBefore) return true;
    return names.some((name) => !isNameOf(certificate, name));
  } catch {
    return false;
  }
}
