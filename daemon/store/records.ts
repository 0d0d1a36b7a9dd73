// Records: what the metadata store holds, each under a MAC made in the HSM. The verified records are kept in memory,
// so that reading one costs nothing on the way of a request and nothing unverified is ever seen.
import { timingSafeEqual } from 'node:crypto';
import { OrderedKeys } from './ordered-keys.js';
import { type Entry, type MetadataStore, StoreError } from './store.js';

/** HMAC-SHA-256 (32 bytes) under a key that lives in the HSM. */
export type MacFunction = (message: Buffer) => Promise<Buffer>;

/** Where records lie in the store, apart from what must be read before a MAC can be checked. */
const recordPrefix = 'record/';
const macLength = 32;
const versionLength = 8;
/** MACs asked for at once: enough to fill the workers' batches. */
const verifiedAtOnce = 256;

export interface RecordChange {
  readonly key: string;
  /** The new content; undefined deletes the record. */
  readonly value: string | undefined;
}

/** Hears of a record that was committed. @param text undefined: it was deleted */
export type RecordObserver = (key: string, text: string | undefined) => void;

interface Stored {
  readonly text: string;
  readonly version: bigint;
  /** As stored: MAC, version, text. */
  readonly bytes: Buffer;
}

/**
 * The authenticated records of one store. A stored value is MAC (32 bytes), version (8 bytes, big-endian), and the
 * record as UTF-8; the MAC covers the store's id, the record's key, its version and its text, each length-prefixed,
 * so a record that was changed, or moved to another key or store, is found.
 */
export class Records {
  readonly #store: MetadataStore;
  readonly #storeId: string;
  readonly #mac: MacFunction;
  readonly #records = new Map<string, Stored>();
  #order = new OrderedKeys();
  #tail: Promise<unknown> = Promise.resolve();
  readonly #observers: { prefix: string; observer: RecordObserver }[] = [];

  private constructor(store: MetadataStore, storeId: string, mac: MacFunction) {
    this.#store = store;
    this.#storeId = storeId;
    this.#mac = mac;
  }

  /**
   * Reads and verifies every record.
   * @param storeId the id of this store, so that records of another one are refused
   * @throws StoreError 'corrupt' naming the first record that fails its check
   */
  static async load(store: MetadataStore, storeId: string, mac: MacFunction): Promise<Records> {
    const records = new Records(store, storeId, mac);
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

  get(key: string): string | undefined {
    return this.#records.get(key)?.text;
  }

  /**
   * Keys that begin with a prefix, in order.
   * @param after only keys greater than this one
   */
  *keys(prefix: string, after = ''): Iterable<string> {
    for (const key of this.#order.from(after > prefix ? after : prefix)) {
      if (!key.startsWith(prefix)) return;
      if (key !== after) yield key;
    }
  }

  /** How many keys begin with a prefix. */
  count(prefix: string): number {
    return this.#order.countBelow(`${prefix}\uffff`) - this.#order.countBelow(prefix);
  }

  /** Calls back after each commit for every changed record whose key begins with a prefix, for indexes over records. */
  observe(prefix: string, observer: RecordObserver): void {
    this.#observers.push({ prefix, observer });
  }

  /**
   * Applies changes atomically and durably. Commits run one after another; a commit that depends on what is there
   * now is given as a function, which sees the records as they are when its turn has come.
   * @throws StoreError 'unavailable' where nothing was written; what the function throws
   */
  commit(changes: readonly RecordChange[] | (() => readonly RecordChange[])): Promise<void> {
    const committed = this.#tail.then(() =>
      this.#commit(typeof changes === 'function' ? changes() : changes),
    );
    this.#tail = committed.catch(() => undefined);
    return committed;
  }

  async #commit(changes: readonly RecordChange[]): Promise<void> {
    const stored = await Promise.all(changes.map((change) => this.#seal(change)));
    await this.#store.batch(
      stored.map(([key, record]) =>
        record
          ? { type: 'put', key: recordPrefix + key, value: record.bytes }
          : { type: 'delete', key: recordPrefix + key },
      ),
      stored.map(([key]) => ({ key: recordPrefix + key, value: this.#records.get(key)?.bytes })),
    );
    for (const [key, record] of stored) this.#apply(key, record);
    for (const [key, record] of stored) {
      for (const { prefix, observer } of this.#observers)
        if (key.startsWith(prefix)) observer(key, record?.text);
    }
  }

  #apply(key: string, record: Stored | undefined): void {
    if (record) {
      this.#records.set(key, record);
      this.#order.add(key);
    } else if (this.#records.delete(key)) {
      this.#order.delete(key);
    }
  }

  async #seal({ key, value }: RecordChange): Promise<[string, Stored | undefined]> {
    if (value === undefined) return [key, undefined];
    const version = (this.#records.get(key)?.version ?? 0n) + 1n;
    const mac = await this.#mac(this.#authenticated(key, version, value));
    const head = Buffer.alloc(versionLength);
    head.writeBigUInt64BE(version);
    return [key, { text: value, version, bytes: Buffer.concat([mac, head, Buffer.from(value)]) }];
  }

  async #verify(key: string, bytes: Buffer): Promise<void> {
    const text = bytes.subarray(macLength + versionLength).toString();
    const version = bytes.length < macLength + versionLength ? 0n : bytes.readBigUInt64BE(macLength);
    const mac = await this.#mac(this.#authenticated(key, version, text));
    if (version === 0n || !timingSafeEqual(mac, bytes.subarray(0, macLength))) {
      const found = `The record '${key}' fails its integrity check: it was changed or damaged outside Keyhold.`;
      throw new StoreError('corrupt', `${found} Restore the metadata store from a backup.`);
    }
    this.#records.set(key, { text, version, bytes });
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
