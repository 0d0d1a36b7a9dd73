import { existsSync } from 'node:fs';
import { Level } from 'level';
import { findLogDamage } from './leveldb-log.js';
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
} from './store.js';

type Listener = (changes: readonly Change[]) => void;

/** The embedded store: one LevelDB folder, owned by one daemon. */
export class LevelStore implements MetadataStore {
  readonly #db: Level<string, Buffer>;
  readonly #listeners = new Set<readonly [prefix: string, listener: Listener]>();
  /** Batches run one after another, so that nothing comes between a batch's preconditions and its changes. */
  #tail: Promise<unknown> = Promise.resolve();
  /** After a batch that could not be written: what its keys held before. */
  #unwritten: readonly Precondition[] | undefined;
  #busySince: number | undefined;

  private constructor(db: Level<string, Buffer>) {
    this.#db = db;
  }

  /**
   * Opens the store, and makes it where there is none.
   * @param path the folder
   * @throws StoreError 'locked' where another process has it open, 'corrupt' where LevelDB cannot read all of it
   */
  static async open(path: string): Promise<LevelStore> {
    const damage = existsSync(path) ? findLogDamage(path) : [];
    if (damage.length > 0)
      throw new StoreError('corrupt', `The metadata store ${path} ${advice.corrupt} (${damage.join('; ')}).`);
    const db = new Level<string, Buffer>(path, { keyEncoding: 'utf8', valueEncoding: 'buffer' });
    try {
      await db.open();
    } catch (error) {
      throw storeError(error, path);
    }
    return new LevelStore(db);
  }

  async get(key: string): Promise<Buffer | undefined> {
    try {
      return await this.#db.get(key);
    } catch (error) {
      throw storeError(error, this.#db.location);
    }
  }

  async *range({ from, to }: Range): AsyncIterable<Entry> {
    try {
      for await (const [key, value] of this.#db.iterator({ gte: from, lt: to })) yield { key, value };
    } catch (error) {
      throw storeError(error, this.#db.location);
    }
  }

  /** Since when a batch is being written, as performance.now tells it. */
  get busySince(): number | undefined {
    return this.#busySince;
  }

  batch(changes: readonly (Put | Delete)[], preconditions: readonly Precondition[] = []): Promise<void> {
    const applied = this.#tail.then(() => {
      this.#busySince = performance.now();
      return this.#apply(changes, preconditions).finally(() => (this.#busySince = undefined));
    });
    this.#tail = applied.catch(() => undefined);
    return applied;
  }

  watch(prefix: string, listener: Listener): () => void {
    const entry = [prefix, listener] as const;
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

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

  /** All in one call: each is a way to the thread pool and back. */
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
      if (!holds) throw new StoreError('precondition-failed', `'${key}' has changed meanwhile`);
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
   * Opens the database anew after a failed write. LevelDB 1.20 would go on behind the torn record that the failure
   * left in its log, and, when it reads the log at the next start, drop what was acknowledged after that record.
   * @param before what the failed batch would have changed: whether it was written is not known, so it is undone
   */
  async #reopen(before: readonly Precondition[]): Promise<void> {
    try {
      await this.#db.close();
      await this.#db.open();
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
  locked: 'is in use by another daemon: stop that one first, or give this one a KEYHOLD_HOME of its own',
  corrupt: 'is damaged: restore it from a backup',
  'rolled-back': 'is older than it was',
  'precondition-failed': 'has changed meanwhile',
  unavailable: 'cannot be read or written: see that its disk is whole, mounted for writing, and has room',
};

function storeError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = codes[(cause as { code?: string }).code ?? ''] ?? 'unavailable';
  const detail = code === 'unavailable' && cause instanceof Error ? ` (${cause.message})` : '';
  return new StoreError(code, `The metadata store ${path} ${advice[code]}${detail}.`, { cause: error });
}
