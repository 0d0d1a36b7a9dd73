// Where metadata is kept. LevelDB is the embedded default; nothing above this interface knows which store it is.

export interface Put {
  readonly type: 'put';
  readonly key: string;
  readonly value: Buffer;
}

export interface Delete {
  readonly type: 'delete';
  readonly key: string;
}

/** What must hold for a batch to be applied: the key's present value, byte for byte; undefined: no such key. */
export interface Precondition {
  readonly key: string;
  readonly value: Buffer | undefined;
}

/** Keys from `from` (included) to `to` (excluded), in the order of their UTF-8 bytes. */
export interface Range {
  readonly from: string;
  readonly to: string;
}

export interface Entry {
  readonly key: string;
  readonly value: Buffer;
}

export interface Change {
  readonly key: string;
  /** undefined: deleted. */
  readonly value: Buffer | undefined;
}

export interface MetadataStore {
  get(key: string): Promise<Buffer | undefined>;
  range(range: Range): AsyncIterable<Entry>;
  /**
   * Applies all of it or nothing, and returns when it is on stable storage.
   * @throws StoreError 'precondition-failed' where a precondition does not hold, 'unavailable' where nothing can be written
   */
  batch(changes: readonly (Put | Delete)[], preconditions?: readonly Precondition[]): Promise<void>;
  /** Calls back after each applied batch with what changed under the prefix. Returns the function that ends it. */
  watch(prefix: string, listener: (changes: readonly Change[]) => void): () => void;
  /** Since when it waits for its disk, in milliseconds of the monotonic clock; undefined: it does not wait. */
  readonly busySince: number | undefined;
  close(): Promise<void>;
}

export type StoreErrorCode =
  | 'locked'
  /** No store is there. */
  | 'missing'
  | 'corrupt'
  /** A later Keyhold wrote it. */
  | 'newer'
  /** Every record is authentic, but together they are not the newest. */
  | 'rolled-back'
  | 'precondition-failed'
  | 'unavailable';

export class StoreError extends Error {
  constructor(
    readonly code: StoreErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'StoreError';
  }
}
