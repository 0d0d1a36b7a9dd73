// What is read of a verified backup, and where it goes.
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createHash } from 'node:crypto';
import { createStore } from '../../app/opening/open-store.js';
import { drain } from '../../backup/byte-reader.js';
import { BackupError } from '../../backup/errors.js';
import { entryNames, type Manifest } from '../../backup/manifest.js';
import type { OpenedBackup } from '../../backup/read.js';
import { decodeRecords } from '../../backup/records-entry.js';
import { homePaths } from '../../files/home.js';
import { makeFolderSync, syncFolderSync, syncTreeSync, writeNewFile } from '../../files/replace-file.js';
import type { Put } from '../../store/store.js';

/** Values that are written to the store at once. */
const batchLength = 1_000;

/** Reads all of a backup, and counts its records. @throws BackupError where they are not as many as its manifest says */
export async function checkContent(backup: OpenedBackup): Promise<void> {
  let count = 0;
  await backup.extract(async ({ name }, body) => {
    if (name !== entryNames.records) await drain(body);
    else for await (const { key } of decodeRecords(body)) if (key.startsWith('record/')) count += 1;
  });
  // The root's record is beside those that it counts.
  const { records } = backup.manifest.store;
  if (count !== records + 1)
    throw new BackupError('not-authentic', `The backup has ${count} records instead of ${records + 1}.`);
}

/**
 * Restores a verified backup. The metadata store appears last, so a home without one is what an interruption leaves: then it
 * is run again.
 * @param home it may be missing, and has no metadata store
 * @throws BackupError, StoreError, UsageError, what the file system says
 */
export async function restoreInto(home: string, backup: OpenedBackup): Promise<void> {
  const { manifest } = backup;
  refuseOthers(home, manifest);
  const staging = homePaths(home).restoring;
  rmSync(staging, { recursive: true, force: true });
  makeFolderSync(staging);
  try {
    await backup.extract(async ({ name }, body) => {
      if (name === entryNames.records) return await storeRecords(staging, body);
      const path = join(staging, name.slice(entryNames.home.length));
      makeFolderSync(dirname(path));
      await writeNewFile(path, body, isPublic(name) ? 0o644 : 0o600);
    });
    syncTreeSync(staging);
    for (const name of pathsIn(manifest)) {
      makeFolderSync(dirname(join(home, name)));
      renameSync(join(staging, name), join(home, name));
      syncFolderSync(dirname(join(home, name)));
    }
    renameSync(homePaths(staging).metadata, homePaths(home).metadata);
    syncFolderSync(home);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
    throw new BackupError(
      'not-written',
      `There is no room in ${home} for the backup (${code}). Make room and run it again.`,
      { cause: error },
    );
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

async function storeRecords(staging: string, body: AsyncIterable<Buffer>): Promise<void> {
  const store = await createStore(staging);
  try {
    let waiting: Put[] = [];
    for await (const { key, value } of decodeRecords(body)) {
      waiting.push({ type: 'put', key, value });
      if (waiting.length < batchLength) continue;
      await store.batch(waiting);
      waiting = [];
    }
    await store.batch(waiting);
  } finally {
    await store.close();
  }
}

/** Files of the backup, by their path in the home. */
function pathsIn({ entries }: Manifest): string[] {
  return entries
    .filter(({ name }) => name.startsWith(entryNames.home))
    .map(({ name }) => name.slice(entryNames.home.length));
}

/** @throws BackupError where the home has another file in the place of one of the backup */
function refuseOthers(home: string, { entries }: Manifest): void {
  const others = entries.flatMap(({ name, sha256 }) => {
    if (!name.startsWith(entryNames.home)) return [];
    const path = join(home, name.slice(entryNames.home.length));
    if (!existsSync(path)) return [];
    const present = createHash('sha256').update(readFileSync(path)).digest('hex');
    return present === sha256 ? [] : [path];
  });
  if (others.length === 0) return;
  throw new BackupError(
    'not-written',
    `Nothing was restored: other files are in the place of some in the backup. Move them away: ${others.join(', ')}`,
  );
}

/** Certificates and public keys, which clients read. */
function isPublic(name: string): boolean {
  return name.endsWith('.pem');
}
