// Authenticated records of the metadata store, each with a MAC made in the HSM. The verified records are kept in memory, so
// that a read costs nothing on the hot path and nothing unverified is ever used.
import { timingSafeEqual } from 'node:crypto';
import { type IntegrityFailure, integrityError } from './integrity-failures.js';
import { OrderedKeys } from './ordered-keys.js';
import { type LogHead, parseRoot, rootKey, type RootRecord } from './root.js';
import { SetHash } from './set-hash.js';
import { type Entry, type MetadataStore, StoreError } from '../store.js';

/** HMAC-SHA-256 (32 bytes) under a key that lives in the HSM. */
export type MacFunction = (message: Buffer) => Promise<Buffer>;

/** Prefix of records in the store. Values that are read before a MAC can be checked have other prefixes. */
const recordPrefix = 'record/';
const macLength = 32;
const versionLength = 8;
/** The set hash's key is the MAC of this message. Records begin with a length, so none equals it. */
const setKeyMessage = 'keyhold set hash v1\0';
/** MACs requested at once: enough to fill the workers' batches. */
const verifiedAtOnce = 256;

/** A change of a record. */
export interface RecordChange {
  readonly key: string;
  /** The new content; undefined deletes the record. */
  readonly value: string | undefined;
}

/** All records at one time. */
export interface Snapshot {
  readonly root: RootRecord;
  /** By the store's own keys. */
  readonly entries: readonly Entry[];
}

/** Called for each committed change of a record. @param text undefined if the record was deleted */
export type RecordObserver = (key: string, text: string | undefined) => void;

interface Stored {
  readonly text: string;
  readonly version: bigint;
  /** As stored: MAC, version, text. */
  readonly bytes: Buffer;
}

/** A change that is ready to be written. */
interface Sealed {
  readonly key: string;
  /** undefined: the record is deleted. */
  readonly record: Stored | undefined;
}

/**
 * The authenticated records of one store. A stored value is MAC (32 bytes), version (8 bytes, big-endian) and the record in
 * UTF-8. The MAC covers the store's ID, the record's key, its version and its text, each length-prefixed; so a record that
 * was changed, or moved to another key or store, is detected. The set hash covers the same bytes, and each batch writes the
 * root of the resulting set; so a record that was deleted or put back is detected as well.
 */
export class Records {
  readonly #store: MetadataStore;
  readonly #storeId: string;
  readonly #mac: MacFunction;
  readonly #records = new Map<string, Stored>();
  #order = new OrderedKeys();
  #tail: Promise<unknown> = Promise.resolve();
  readonly #observers: { prefix: string; observer: RecordObserver }[] = [];
  #set: SetHash;
  /** The root's record as it is stored. */
  #storedRoot: Stored | undefined;
  #root: RootRecord | undefined;
  /** The next epoch is greater than this one. */
  #usedEpoch = 0;
  #anchored = 0;
  /** The head of the audit log for the next root; until the log is open, that of the last root. */
  #logHead: () => LogHead | undefined = () => this.#root?.audit;

  private constructor(store: MetadataStore, storeId: string, mac: MacFunction, set: SetHash) {
    this.#store = store;
    this.#storeId = storeId;
    this.#mac = mac;
    this.#set = set;
  }

  /**
   * Reads and verifies every record, and the root over all of them.
   * @param storeId the ID of this store; records of another one are refused
   * @throws StoreError 'corrupt', naming the first record that fails its check; 'rolled-back'
   */
  static async load(store: MetadataStore, storeId: string, mac: MacFunction): Promise<Records> {
    const records = await Records.read(store, storeId, mac);
    const { broken } = records;
    if (broken) throw integrityError(broken);
    return records;
  }

  /**
   * Like {@link load}, but returns an integrity failure of the root in {@link broken} instead of throwing. The next commit
   * writes a root over the records as they are.
   * @throws StoreError 'corrupt'
   */
  static async read(store: MetadataStore, storeId: string, mac: MacFunction): Promise<Records> {
    const setKey = await mac(Buffer.from(setKeyMessage + storeId));
    const records = new Records(store, storeId, mac, SetHash.under(setKey));
    setKey.fill(0);
    const verifyAll = (entries: readonly Entry[]) => {
      return Promise.all(
        entries.map(({ key, value }) => records.#verify(key.slice(recordPrefix.length), value)),
      );
    };
    let waiting: Entry[] = [];
    for await (const entry of store.range({ from: recordPrefix, to: `${recordPrefix}\uffff` })) {
      waiting.push(entry);
      if (waiting.length < verifiedAtOnce) continue;
      await verifyAll(waiting);
      waiting = [];
    }
    await verifyAll(waiting);
    records.#order = OrderedKeys.from([...records.#records.keys()].sort());
    return records;
  }

  /** The newest committed root, if there is one. */
  get root(): RootRecord | undefined {
    return this.#root;
  }

  /** Number of records. */
  get size(): number {
    return this.#records.size;
  }

  /** The integrity failure of the root, if any. */
  get broken(): IntegrityFailure | undefined {
    const found = this.size;
    const root = this.#root;
    if (!root) return found === 0 ? undefined : { kind: 'no-root', found };
    const isWhole = root.count === found && this.#set.root(root.epoch) === root.root;
    return isWhole ? undefined : { kind: 'other-records', root, found };
  }

  /** Makes the next commit's epoch greater than a given one. */
  skipEpochs(epoch: number): void {
    this.#usedEpoch = Math.max(this.#usedEpoch, epoch);
  }

  /** Notes the epoch of the HSM's anchor, which roots name from now on. */
  noteAnchor(epoch: number): void {
    this.#anchored = Math.max(this.#anchored, epoch);
  }

  /** Sets the source of the audit log's head that roots name. All records up to it must be durable. */
  followLog(head: () => LogHead | undefined): void {
    this.#logHead = head;
  }

  /** Returns the text of a record; undefined if there is none. */
  get(key: string): string | undefined {
    return this.#records.get(key)?.text;
  }

  /**
   * Iterates over the keys with a prefix, in order.
   * @param after only keys greater than this one
   */
  *keys(prefix: string, after = ''): Iterable<string> {
    for (const key of this.#order.from(after > prefix ? after : prefix)) {
      if (!key.startsWith(prefix)) return;
      if (key !== after) yield key;
    }
  }

  /**
   * Every record of this moment as it is stored, with its MAC, and the root over them. A copy of these bytes is verified like
   * the store itself. Undefined where no root was written yet.
   */
  snapshot(): Snapshot | undefined {
    if (!this.#root || !this.#storedRoot) return undefined;
    const entries = [...this.#records].map(([key, { bytes }]) => ({ key: recordPrefix + key, value: bytes }));
    return {
      root: this.#root,
      entries: [...entries, { key: recordPrefix + rootKey, value: this.#storedRoot.bytes }],
    };
  }

  /** Returns the number of keys with a prefix. */
  count(prefix: string): number {
    return this.#order.countBelow(`${prefix}\uffff`) - this.#order.countBelow(prefix);
  }

  /** Calls an observer after each commit for every changed record with a key prefix. Indexes of records use it. */
  observe(prefix: string, observer: RecordObserver): void {
    this.#observers.push({ prefix, observer });
  }

  /**
   * Applies changes atomically and durably. Commits run one after another.
   * @param changes if they depend on the present records, a function that is called when all earlier commits are done
   * @throws StoreError 'unavailable' if nothing was written; HsmError of the MACs; what the function throws
   */
  commit(changes: readonly RecordChange[] | (() => readonly RecordChange[])): Promise<void> {
    const committed = this.#tail.then(() =>
      this.#commit(typeof changes === 'function' ? changes() : changes),
    );
    this.#tail = committed.catch(() => undefined);
    return committed;
  }

  /** Writes a root over the present records, with a new epoch and the present head of the audit log. */
  commitRoot(): Promise<void> {
    const committed = this.#tail.then(() => this.#write([]));
    this.#tail = committed.catch(() => undefined);
    return committed;
  }

  async #commit(changes: readonly RecordChange[]): Promise<void> {
    if (changes.length > 0) await this.#write(changes);
  }

  async #write(changes: readonly RecordChange[]): Promise<void> {
    // As in any batch, the last change of a record counts.
    const last = new Map(changes.map(({ key, value }) => [key, value]));
    let set = this.#set;
    const sealing = [...last].map(([key, value]): Promise<Sealed> => {
      if (key === rootKey) throw new Error(`A record must not be named '${key}'`);
      const before = this.#records.get(key);
      if (before) set = set.without(this.#authenticated(key, before.version, before.text));
      if (value === undefined) return Promise.resolve({ key, record: undefined });
      const version = (before?.version ?? 0n) + 1n;
      const authenticated = this.#authenticated(key, version, value);
      set = set.with(authenticated);
      return this.#seal(key, version, value, authenticated);
    });
    const root = this.#rootOf(set);
    const [rootVersion, rootText] = [BigInt(root.epoch), JSON.stringify(root)];
    // All MACs are requested in the same tick, so they share a frame to the worker.
    const sealed = await Promise.all([
      ...sealing,
      this.#seal(rootKey, rootVersion, rootText, this.#authenticated(rootKey, rootVersion, rootText)),
    ]);
    await this.#store.batch(
      sealed.map(({ key, record }) =>
        record
          ? { type: 'put', key: recordPrefix + key, value: record.bytes }
          : { type: 'delete', key: recordPrefix + key },
      ),
      sealed.map(({ key }) => ({ key: recordPrefix + key, value: this.#stored(key)?.bytes })),
    );
    this.#set = set;
    this.#takeRoot(sealed.pop()!.record!, root);
    for (const { key, record } of sealed) this.#apply(key, record);
    for (const { key, record } of sealed) {
      for (const { prefix, observer } of this.#observers)
        if (key.startsWith(prefix)) tell(observer, key, record?.text);
    }
  }

  #rootOf(set: SetHash): RootRecord {
    const epoch = this.#usedEpoch + 1;
    const at = Math.floor(Date.now() / 1000);
    const { sequence, hash } = this.#logHead() ?? {};
    const audit = sequence === undefined || hash === undefined ? undefined : { sequence, hash };
    return {
      epoch,
      root: set.root(epoch),
      at,
      ...(audit && { audit }),
      count: set.count,
      anchored: this.#anchored,
    };
  }

  #takeRoot(stored: Stored, root: RootRecord): void {
    this.#storedRoot = stored;
    this.#root = root;
    this.#usedEpoch = root.epoch;
    this.noteAnchor(root.anchored);
  }

  #stored(key: string): Stored | undefined {
    return key === rootKey ? this.#storedRoot : this.#records.get(key);
  }

  #apply(key: string, record: Stored | undefined): void {
    if (record) {
      this.#records.set(key, record);
      this.#order.add(key);
    } else if (this.#records.delete(key)) {
      this.#order.delete(key);
    }
  }

  async #seal(key: string, version: bigint, text: string, authenticated: Buffer): Promise<Sealed> {
    const mac = await this.#mac(authenticated);
    const head = Buffer.alloc(versionLength);
    head.writeBigUInt64BE(version);
    return { key, record: { text, version, bytes: Buffer.concat([mac, head, Buffer.from(text)]) } };
  }

  async #verify(key: string, bytes: Buffer): Promise<void> {
    const text = bytes.subarray(macLength + versionLength).toString();
    const version = bytes.length < macLength + versionLength ? 0n : bytes.readBigUInt64BE(macLength);
    const authenticated = this.#authenticated(key, version, text);
    const mac = await this.#mac(authenticated);
    if (version === 0n || !timingSafeEqual(mac, bytes.subarray(0, macLength))) {
      const found = `The record '${key}' fails its integrity check: it was changed or damaged outside Keyhold.`;
      throw new StoreError('corrupt', `${found} Restore the metadata store from a backup.`);
    }
    const stored = { text, version, bytes };
    if (key === rootKey) {
      this.#takeRoot(stored, parseRoot(text));
      return;
    }
    this.#records.set(key, stored);
    this.#set = this.#set.with(authenticated);
  }

  #authenticated(key: string, version: bigint, text: string): Buffer {
    const head = Buffer.alloc(versionLength);
    head.writeBigUInt64BE(version);
    const parts = [Buffer.from(this.#storeId), Buffer.from(key), head, Buffer.from(text)];
    const lengths = parts.map((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      return length;
    });
    return Buffer.concat(parts.flatMap((part, index) => [lengths[index] ?? Buffer.alloc(0), part]));
  }
}

/**
 * Calls an observer. An index that missed a record would differ from the store, and the daemon would rely on it. So the error
 * of an observer becomes an uncaught exception, which ends the process; the next start reads all records again.
 */
function tell(observer: RecordObserver, key: string, text: string | undefined): void {
  try {
    observer(key, text);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
