// Checks a store's folder before LevelDB opens it: version 1.20 treats a folder without CURRENT as a new store, and deletes
// the files of the old one.
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findLogDamage } from './leveldb-log.js';

/** Files of a store (https://github.com/google/leveldb/blob/main/doc/impl.md). */
const storeFile = /^(CURRENT|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp))$/;
/** Files with records; a store whose creation was interrupted has none. */
const dataFile = /^\d+\.(log|ldb|sst)$/;

/** Why LevelDB must not open a folder. */
export type FolderFault =
  /** The folder has no file of a store. */
  | { readonly kind: 'missing' }
  /** LevelDB was killed before it had made its first files: nothing was ever written to this store. */
  | { readonly kind: 'unfinished' }
  /** @param what a phrase for each file that is missing or damaged */
  | { readonly kind: 'damaged'; readonly what: readonly string[] };

/**
 * Checks the folder of a closed store without changing it.
 * @returns what is wrong; undefined if LevelDB may open it
 */
export function findFolderFault(folder: string): FolderFault | undefined {
  const names = namesIn(folder).filter((name) => storeFile.test(name));
  if (names.length === 0) return { kind: 'missing' };
  if (!names.includes('CURRENT')) {
    // LevelDB writes MANIFEST-000001, then CURRENT by way of 000001.dbtmp, then its first log.
    const isNew = names.every((name) => name === 'MANIFEST-000001' || name === '000001.dbtmp');
    return isNew ? { kind: 'unfinished' } : { kind: 'damaged', what: ['CURRENT is missing'] };
  }
  const what = [...manifestFaults(folder), ...findLogDamage(folder)];
  return what.length === 0 ? undefined : { kind: 'damaged', what };
}

/** Whether a folder has records of a store, whole or not. */
export function hasRecords(folder: string): boolean {
  return namesIn(folder).some((name) => dataFile.test(name));
}

function manifestFaults(folder: string): string[] {
  const current = readFileSync(join(folder, 'CURRENT'), 'latin1');
  const name = /^(MANIFEST-\d+)\n$/.exec(current)?.[1];
  if (name === undefined) return ['CURRENT is damaged'];
  const size = statSync(join(folder, name), { throwIfNoEntry: false })?.size;
  if (size === undefined) return [`${name} is missing`];
  return size === 0 ? [`${name} is empty`] : [];
}

function namesIn(folder: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return entries.map(({ name }) => name);
}
