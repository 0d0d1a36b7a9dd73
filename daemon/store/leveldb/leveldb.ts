import { Level } from 'level';
import { makeFolderSync, syncFolderSync } from '../../files/replace-file.js';
import { Distribution, durationBounds } from '../../observability/metrics/distribution.js';
import { findFolderFault, type FolderFault } from './leveldb-folder.js';
import {
  type Change,
  type Delete,
  type Entry,
  type MetadataStore,
  type Precondition,
  type Put,
  type Range,
  StoreError,
  type StoreErrorCode,
} from '../store.js';

/** LevelDB's cache. After the start all records are in memory, so only compactions read its tables. */
const maxOpenFiles = 128;

type Listener = (changes: readonly Change[]) => void;

/** The embedded store: one LevelDB folder, owned by one daemon. */
export class LevelStore implements MetadataStore {
  readonly #db: Level<string, Buffer>;
  readonly #listeners = new Set<readonly [prefix: string, listener: Listener]>();
  /** Batches run one after another, so that nothing changes between the check of a batch's preconditions and its write. */
  #tail: Promise<unknown> = Promise.resolve();
  /** After a failed batch: the values of its keys before it. */
  #unwritten: readonly Precondition[] | undefined;
  #busySince: number | undefined;
  /** Seconds of each batch, failed ones included. */
  readonly writes = new Distribution(durationBounds);
  /** Batches that were not written. */
  failures = 0;

  private constructor(db: Level<string, Buffer>) {
    this.#db = db;
  }

  /**
   * Opens an existing store. It never creates one: a missing store means a disk that is not mounted, or lost files.
   * @param path the folder
   * @throws StoreError 'missing'; 'locked' if another process has it open; 'corrupt' if it is damaged, and then its files are
   *   unchanged; 'unavailable'
   */
  static async open(path: string): Promise<LevelStore> {
    const fault = faultOf(path);
    if (fault?.kind === 'damaged')
      throw new StoreError(
        'corrupt',
        `The metadata store ${path} ${advice.corrupt} (${fault.what.join('; ')}).`,
      );
    if (fault) throw new StoreError('missing', `The metadata store ${path} ${advice.missing}.`);
    return await LevelStore.#open(path, { createIfMissing: false });
  }

  /**
   * Creates a store, or finishes an interrupted creation.
   * @param path the folder; it may be missing
   * @throws StoreError 'corrupt' if the folder has records, 'locked', 'unavailable'
   */
  static async create(path: string): Promise<LevelStore> {
    const fault = faultOf(path);
    if (!fault || fault.kind === 'damaged')
      throw new StoreError('corrupt', `The metadata store ${path} exists already and is not overwritten.`);
    makeFolderSync(path);
    return await LevelStore.#open(path, { createIfMissing: true });
  }

  static async #open(path: string, { createIfMissing }: { createIfMissing: boolean }): Promise<LevelStore> {
    const options = { keyEncoding: 'utf8', valueEncoding: 'buffer', createIfMissing, maxOpenFiles } as const;
    const db = new Level<string, Buffer>(path, options);
    try {
      await db.open();
      // LevelDB syncs its files, but not the names of CURRENT and of its newest log.
      syncFolderSync(path);
    } catch (error) {
      throw storeError(error, path);
    }
    return new LevelStore(db);
  }

  /** Returns the value of a key; undefined if there is none. @throws StoreError */
  async get(key: string): Promise<Buffer | undefined> {
    try {
      return await this.#db.get(key);
    } catch (error) {
      throw storeError(error, this.#db.location);
    }
  }

  /** Reads the entries of a range in order. @throws StoreError */
  async *range({ from, to }: Range): AsyncIterable<Entry> {
    try {
      for await (const [key, value] of this.#db.iterator({ gte: from, lt: to })) yield { key, value };
    } catch (error) {
      throw storeError(error, this.#db.location);
    }
  }

  /** Start of the present write, by performance.now; undefined if there is none. */
  get busySince(): number | undefined {
    return this.#busySince;
  }

  /** Applies changes atomically and durably. @throws StoreError 'precondition-failed', 'unavailable' */
  batch(changes: readonly (Put | Delete)[], preconditions: readonly Precondition[] = []): Promise<void> {
    const applied = this.#tail.then(() => {
      const began = performance.now();
      this.#busySince = began;
      return this.#apply(changes, preconditions).finally(() => {
        this.#busySince = undefined;
        this.writes.add((performance.now() - began) / 1_000);
      });
    });
    this.#tail = applied.catch(() => {
      this.failures += 1;
    });
    return applied;
  }

  /** Calls a listener after each batch that changes keys with a prefix. @returns a function that ends this */
  watch(prefix: string, listener: Listener): () => void {
    const entry = [prefix, listener] as const;
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  /** Waits for the batches and closes the store. */
  async close(): Promise<void> {
    await this.#tail;
    await this.#db.close();
  }

  async #apply(changes: readonly (Put | Delete)[], preconditions: readonly Precondition[]): Promise<void> {
    if (this.#unwritten) await this.#reopen(this.#unwritten);
    await this.#check(preconditions);
    try {
      await this.#write(changes);
    } catch (error) {
      const changed = new Set(changes.map(({ key }) => key));
      this.#unwritten = preconditions.filter(({ key }) => changed.has(key));
      throw error;
    }
    this.#notify(changes);
  }

  /** Reads all keys with one call, because each call takes a trip to the thread pool. */
  async #check(preconditions: readonly Precondition[]): Promise<void> {
    let present: (Buffer | undefined)[];
    try {
      present = await this.#db.getMany(preconditions.map(({ key }) => key));
    } catch (error) {
      throw storeError(error, this.#db.location);
    }
    for (const [index, { key, value }] of preconditions.entries()) {
      const found = present[index];
      const holds = found === undefined ? value === undefined : value !== undefined && found.equals(value);
      if (!holds) throw new StoreError('precondition-failed', `The record '${key}' was changed meanwhile`);
    }
  }

  async #write(changes: readonly (Put | Delete)[]): Promise<void> {
    try {
      const operations = changes.map((change) =>
        change.type === 'put'
          ? { type: 'put' as const, key: change.key, value: change.value }
          : { type: 'del' as const, key: change.key },
      );
      await this.#db.batch(operations, { sync: true });
    } catch (error) {
      throw storeError(error, this.#db.location);
    }
  }

  /**
   * Reopens the database after a failed write. LevelDB 1.20 would append after the torn record that the failure left in its
   * log, and the next start would drop everything that was acknowledged after that record.
   * @param before the values before the failed batch, which is undone because it may have been written
   */
  async #reopen(before: readonly Precondition[]): Promise<void> {
    try {
      await this.#db.close();
      await this.#db.open({ createIfMissing: false });
    } catch (error) {
      throw storeError(error, this.#db.location);
    }
    await this.#write(
      before.map(({ key, value }) => (value ? { type: 'put', key, value } : { type: 'delete', key })),
    );
    this.#unwritten = undefined;
  }

  #notify(changes: readonly (Put | Delete)[]): void {
    for (const [prefix, listener] of this.#listeners) {
      const seen = changes.filter((change) => change.key.startsWith(prefix));
      if (seen.length === 0) continue;
      listener(
        seen.map((change) => ({ key: change.key, value: change.type === 'put' ? change.value : undefined })),
      );
    }
  }
}

const codes: Readonly<Record<string, StoreErrorCode>> = {
  LEVEL_LOCKED: 'locked',
  LEVEL_CORRUPTION: 'corrupt',
};

const advice: Readonly<Record<StoreErrorCode, string>> = {
  locked: 'is in use by another daemon: stop that one first, or give this one its own KEYHOLD_HOME',
  corrupt: 'is damaged: restore it from a backup',
  missing: "does not exist: mount its disk, or restore it from a backup; for a new home run 'keyhold init'",
  newer: 'was written by a newer Keyhold',
  'rolled-back': 'is older than it was',
  'precondition-failed': 'was changed meanwhile',
  unavailable:
    'cannot be read or written: check that its disk works, is mounted for writing and has space left',
};

function faultOf(path: string): FolderFault | undefined {
  try {
    return findFolderFault(path);
  } catch (error) {
    throw storeError(error, path);
  }
}

function storeError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = codes[(cause as { code?: string }).code ?? ''] ?? 'unavailable';
  const detail = code === 'unavailable' && cause instanceof Error ? ` (${cause.message})` : '';
  return new StoreError(code, `The metadata store ${path} ${advice[code]}${detail}.`, { cause: error });
}
