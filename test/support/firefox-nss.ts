// The NSS of Debian's package firefox-esr, which has ML-KEM: installed, or its libraries alone, as scripts/firefox-nss fetches them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkout } from './paths.js';

const installed = '/usr/lib/firefox-esr';

/** The folder of its libraries. */
export const firefoxNss = existsSync(join(installed, 'libsoftokn3.so'))
  ? installed
  : join(checkout, 'var/firefox-esr');

/** The files that the tests need. */
export const firefoxNssNeeds = [join(firefoxNss, 'libsoftokn3.so'), '/usr/bin/certutil'];

/** Writes the profile nss-esr with the folder into a home. @returns its path */
export function writeFirefoxProfile(home: string): string {
  const path = join(home, 'nss-esr.yaml');
  const profile = readFileSync(join(checkout, 'hsm-config/nss-esr.yaml'), 'utf8');
  writeFileSync(path, profile.replaceAll(installed, firefoxNss));
  return path;
}
