// Opens the metadata store of a home, which is an embedded LevelDB.
import { homePaths } from '../../files/home.js';
import { findFolderFault } from '../../store/leveldb/leveldb-folder.js';
import { LevelStore } from '../../store/leveldb/leveldb.js';
import type { MetadataStore } from '../../store/store.js';

/**
 * Opens the metadata store of a home. It never creates one.
 * @param home absolute path
 * @throws StoreError 'missing'; 'locked' where another process has it open; 'corrupt' where not all of it can be read
 */
export function openStore(home: string): Promise<MetadataStore> {
  return LevelStore.open(homePaths(home).metadata);
}

/**
 * Creates the metadata store of a new home, or opens the one that an interrupted creation left.
 * @param home absolute path
 * @throws StoreError 'corrupt', 'locked', 'unavailable'
 */
export function createStore(home: string): Promise<MetadataStore> {
  const path = homePaths(home).metadata;
  return findFolderFault(path) ? LevelStore.create(path) : LevelStore.open(path);
}

/** Whether a home has a metadata store, whole or damaged; one whose creation was interrupted does not count. */
export function hasStore(home: string): boolean {
  const fault = findFolderFault(homePaths(home).metadata);
  return fault === undefined || fault.kind === 'damaged';
}
