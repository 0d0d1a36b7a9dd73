// Selects the files of a home for a backup: none that holds a secret in the clear.
import { readdir, readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize, relative } from 'node:path';
import { inHome, loadProfile } from '../config/load.js';
import type { Config, PinSource } from '../config/schema.js';
import { homePaths } from '../files/home.js';
import { BackupError } from './errors.js';
import type { Elsewhere } from './manifest.js';
import type { HomeFile } from './write.js';

/** Files of a home, and what the home needs besides them. */
export interface HomeContent {
  readonly files: readonly HomeFile[];
  readonly elsewhere: readonly Elsewhere[];
}

/**
 * Reads the configuration, the operator's own profiles, certificates and the audit log's public key. Files with a private
 * key, the PIN and the root's credentials are left out, and listed.
 * @throws errors of the file system
 */
export async function readHomeContent(home: string, config: Config): Promise<HomeContent> {
  const files: HomeFile[] = [];
  const elsewhere = secretsOf(home, config);
  for (const [what, path] of namedFiles(config)) {
    const name = placeInHome(home, path);
    if (name !== undefined && files.some((file) => file.path === name)) continue;
    if (name === undefined) {
      elsewhere.push({ what: `${what}, which is outside the home`, where: path });
      continue;
    }
    const bytes = await readIfThere(join(home, name));
    if (!bytes) continue;
    if (bytes.includes('PRIVATE KEY'))
      elsewhere.push({ what: `${what}, which holds a private key`, where: name });
    else files.push({ path: name, bytes });
  }
  return { files, elsewhere };
}

/** The files that the configuration names, with descriptions. */
function namedFiles({ hsm, clusters, tls, audit }: Config): (readonly [what: string, path: string])[] {
  const profiles = [hsm, ...Object.values(clusters)].map(({ profile }) => profile);
  const named: (readonly [string, string | undefined])[] = [
    ['the configuration', 'keyhold.yaml'],
    ["the audit log's public key", 'audit-public-key.pem'],
    ...profiles.filter((path) => path.endsWith('.yaml')).map((path) => ['a profile', path] as const),
    ['the server certificate', tls.certificate],
    ['the CA that clients trust', tls.ca],
    ["the CAs of clients' certificates", tls.clientCa],
    ['the revocation lists', tls.crl],
    ...Object.values(audit.sinks).flatMap((sink) => filesOfSink(sink)),
  ];
  return named.filter((each): each is readonly [string, string] => each[1] !== undefined);
}

function filesOfSink(sink: object): (readonly [string, string | undefined])[] {
  const { ca, certificate } = sink as { ca?: string; certificate?: string };
  return [
    ['the CAs of an audit sink', ca],
    ['the certificate for an audit sink', certificate],
  ];
}

function secretsOf(home: string, { hsm, clusters, tls, audit }: Config): Elsewhere[] {
  const pins = [hsm.pin, ...Object.values(clusters).map(({ pin }) => pin)];
  const ofSinks = Object.values(audit.sinks).map((sink) => sink as { key?: string; secretFile?: string });
  const private_ = (what: string, path: string | undefined) =>
    path === undefined ? [] : [{ what, where: placeInHome(home, path) ?? path }];
  return [
    ...pins.flatMap((pin) => (pin ? [{ what: 'the PIN', where: placeOfPin(home, pin) }] : [])),
    ...private_("the server's private key", tls.key),
    ...ofSinks.flatMap(({ key }) => private_('the private key for an audit sink', key)),
    ...ofSinks.flatMap(({ secretFile }) => private_('the secret of an audit sink', secretFile)),
    { what: "the root's access key, where it is not put away", where: 'credentials' },
  ];
}

function placeOfPin(home: string, { file, env, command }: PinSource): string {
  if (file !== undefined) return placeInHome(home, file) ?? file;
  return env === undefined ? (command?.[0] ?? '') : `$${env}`;
}

/** A path relative to the home. @returns undefined if it leads out of the home */
function placeInHome(home: string, path: string): string | undefined {
  const place = normalize(relative(home, inHome(home, path)));
  return place.startsWith('..') || isAbsolute(place) ? undefined : place;
}

/** Attempts to read a token's files while none of them changes. */
const tries = 10;

/**
 * Reads the files of a SoftHSM2 token, and a value of the same moment. The files are encrypted under the PIN.
 * @param then returns the value; called after the files were read, and again if they have changed meanwhile
 * @throws BackupError 'no-token' if it is not a SoftHSM2 token in the home, or changes all the time
 */
export async function withTokenFiles<T>(
  home: string,
  config: Config,
  then: () => T,
): Promise<{ readonly token: readonly HomeFile[]; readonly value: T }> {
  const { tokenFiles, tokenInHome, name } = loadProfile(config.hsm.profile, home);
  if (tokenFiles !== 'softhsm2' || !tokenInHome)
    throw new BackupError(
      'no-token',
      `The token of ${name} is not a folder of the home: back it up by its vendor's means, and leave out --with-token.`,
    );
  const folder = homePaths(home).softhsmTokens;
  for (let attempt = 0; attempt < tries; attempt++) {
    const before = await fingerprintOf(folder);
    const token = await readAll(home, [...before.keys()]);
    const value = then();
    // Nothing has changed: the files are what they were when `then` ran.
    if (token && isSame(before, await fingerprintOf(folder))) return { token, value };
  }
  throw new BackupError(
    'no-token',
    'The token changes all the time: make the backup when fewer keys are made, or stop the daemon first.',
  );
}

/** Inode, size and modification time of each file, by path. */
async function fingerprintOf(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const stats = await stat(path, { bigint: true }).catch(() => undefined);
    found.set(path, `${stats?.ino} ${stats?.size} ${stats?.mtimeNs}`);
  }
  return found;
}

function isSame(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): boolean {
  return before.size === after.size && [...before].every(([path, text]) => after.get(path) === text);
}

async function readAll(home: string, paths: readonly string[]): Promise<readonly HomeFile[] | undefined> {
  const files: HomeFile[] = [];
  for (const path of paths) {
    const bytes = await readIfThere(path);
    if (!bytes) return undefined;
    files.push({ path: relative(home, path), bytes });
  }
  return files;
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
