// The checks of doctor besides the key specs, before and after the connection. None of them uses the PIN.
import { accessSync, constants, statSync } from 'node:fs';
import { loadProfile, inHome } from '../../config/load.js';
import { anchoredStores } from '../../app/opening/anchor.js';
import type { Profile } from '../../config/profile.js';
import type { PinSource } from '../../config/schema.js';
import type { KeyStore } from '../../hsm/key-store.js';
import { CKM_RSA_PKCS_KEY_PAIR_GEN, mechanismName } from '../../keys/index.js';

/** The result of a check. */
export interface Check {
  readonly check: string;
  /** Whether Keyhold can work with it. */
  readonly ok: boolean;
  readonly detail: string;
}

const multiRegionCheck = 'multi-Region';

const check = (name: string, ok: boolean, detail: string): Check => ({ check: name, ok, detail });

/** Makes the checks before the connection. @throws ConfigError if there is no such profile */
export function checksBefore(home: string, profileName: string, pin: PinSource | undefined): Check[] {
  const profile = loadProfile(profileName, home);
  const tested = profile.tested === 'here' ? 'tested with every change of Keyhold' : 'NOT TESTED by Keyhold';
  return [
    check('profile', true, `${profile.name}, ${tested}`),
    checkLibrary(profile),
    checkPinSource(home, profile, pin),
  ];
}

function checkLibrary({ library }: Profile): Check {
  if (!library.includes('/')) return check('library', true, `${library}, which the loader finds`);
  try {
    accessSync(library, constants.R_OK);
    const { mode } = statSync(library);
    if ((mode & 0o002) !== 0)
      return check('library', false, `${library} is writable by every user: run chmod o-w on it`);
    return check('library', true, library);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const advice =
      code === 'ENOENT'
        ? "install the vendor's client, or correct 'library'"
        : "give the daemon's user read access";
    return check('library', false, `${library}: ${code ?? 'unreadable'}; ${advice}`);
  }
}

/** Whether the source exists; its content is not read. */
function checkPinSource(home: string, { login }: Profile, pin: PinSource | undefined): Check {
  const row = (ok: boolean, detail: string) => check('pin source', ok, detail);
  if (login.protectedPath) return row(true, 'none: the PIN is entered at the device');
  if (pin?.env !== undefined)
    return process.env[pin.env] ? row(true, `$${pin.env}`) : row(false, `$${pin.env} is not set`);
  if (pin?.command) return row(true, `the command ${pin.command[0]!}, which is not run here`);
  if (pin?.file === undefined) return row(false, 'none is configured');
  const path = inHome(home, pin.file);
  try {
    const { mode, size } = statSync(path);
    if ((mode & 0o077) !== 0) return row(false, `${path} is accessible to other users: run chmod 600 on it`);
    return row(size > 0, size > 0 ? path : `${path} is empty`);
  } catch (error) {
    return row(false, `${path}: ${(error as NodeJS.ErrnoException).code ?? 'unreadable'}`);
  }
}

/** Makes the checks on a logged-in connection. */
export async function checksOf(store: KeyStore, { mechanisms, quirks }: Profile): Promise<Check[]> {
  const there = new Set([...store.mechanisms.keys()].map(mechanismName));
  const missing = mechanisms.wanted.filter((name) => !there.has(name));
  const { minKeySize, maxKeySize } = store.mechanisms.get(CKM_RSA_PKCS_KEY_PAIR_GEN) ?? {};
  const began = performance.now();
  for (let n = 0; n < 10; n++) (await store.random(1024)).fill(0);
  const milliseconds = (performance.now() - began) / 10;
  return [
    check('token', true, `logged in; ${store.objects.length} objects`),
    check(
      'mechanisms',
      missing.length === 0,
      `${store.mechanisms.size} usable, ${mechanisms.avoided.length} avoided` +
        (missing.length > 0 ? `; the profile expects ${missing.join(', ')}` : ''),
    ),
    check(
      'rsa sizes',
      true,
      minKeySize === undefined ? 'no RSA keys' : `${minKeySize} to ${maxKeySize} bits`,
    ),
    check(
      'sessions',
      true,
      quirks.sessions === undefined ? 'as many as workers' : `at most ${quirks.sessions}`,
    ),
    checkAnchors(anchoredStores(store)),
    check('random', true, `1,024 bytes in ${milliseconds.toFixed(2)} ms`),
  ];
}

/** Tells whether the token can be linked to that of another Region, as far as the profile knows. */
export function checkMultiRegion({ multiRegion: { refused, lacks } }: Pick<Profile, 'multiRegion'>): Check {
  const row = (detail: string) => check(multiRegionCheck, true, detail);
  if (refused !== undefined) return row(`cannot be linked to another Region: ${refused}`);
  const but = lacks.map(({ keySpec, reason }) => `; not with ${keySpec}: ${reason}`).join('');
  return row(
    `the profile knows no reason against a link to another Region${but}. --try-link tries the attacks on one`,
  );
}

/**
 * Tells whether the token can be linked to that of another Region, after all attacks were tried.
 * @param objections what speaks against it, in sentences
 */
export function checkTriedMultiRegion(attacks: number, objections: readonly string[]): Check {
  return objections.length === 0
    ? check(multiRegionCheck, true, `can be linked to another Region: ${attacks} attacks were refused`)
    : check(multiRegionCheck, false, `cannot be linked to another Region: ${objections.join(' ')}`);
}

/** Lists the anchors. A daemon writes its anchor before it answers the first request. */
function checkAnchors(storeIds: readonly string[]): Check {
  const none =
    'none: no daemon has used the token yet, its module stores no private data objects, or it is not a default key store. ' +
    'Without an anchor in the default key store an older metadata store that is put back is not detected';
  return check('anchors', true, storeIds.length > 0 ? `of metadata store ${storeIds.join(', ')}` : none);
}
