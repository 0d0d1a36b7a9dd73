// The interface to the metadata store. LevelDB is the embedded default; no other code knows which store it is.
import type { Distribution } from '../observability/metrics/distribution.js';

/** Sets the value of a key. */
export interface Put {
  readonly type: 'put';
  readonly key: string;
  readonly value: Buffer;
}

/** Deletes a key. */
export interface Delete {
  readonly type: 'delete';
  readonly key: string;
}

/** A condition of a batch: the key's present value, byte for byte; undefined if the key must not exist. */
export interface Precondition {
  readonly key: string;
  readonly value: Buffer | undefined;
}

/** Keys from `from` (included) to `to` (excluded), in the order of their UTF-8 bytes. */
export interface Range {
  readonly from: string;
  readonly to: string;
}

/** A key and its value. */
export interface Entry {
  readonly key: string;
  readonly value: Buffer;
}

/** A change that was applied. */
export interface Change {
  readonly key: string;
  /** undefined if the key was deleted. */
  readonly value: Buffer | undefined;
}

/** A key-value store with atomic batches. Every method rejects with {@link StoreError}. */
export interface MetadataStore {
  /** Returns the value of a key; undefined if there is none. */
  get(key: string): Promise<Buffer | undefined>;
  /** Reads the entries of a range in order. */
  range(range: Range): AsyncIterable<Entry>;
  /**
   * Applies all changes or none, and resolves when they are on stable storage.
   * @throws StoreError 'precondition-failed' if a precondition does not hold, 'unavailable' if nothing can be written
   */
  batch(changes: readonly (Put | Delete)[], preconditions?: readonly Precondition[]): Promise<void>;
  /** Calls a listener after each batch that changes keys with a prefix. @returns a function that ends this */
  watch(prefix: string, listener: (changes: readonly Change[]) => void): () => void;
  /** Start of the present call to the disk in milliseconds of the monotonic clock; undefined if there is none. */
  readonly busySince: number | undefined;
  /** Seconds of each batch, failed ones included. */
  readonly writes: Distribution;
  /** Batches that were not written. */
  readonly failures: number;
  /** Waits for the batches and closes the store. */
  close(): Promise<void>;
}

/** The errors of a store. */
export type StoreErrorCode =
  /** Another process has the store open. */
  | 'locked'
  /** The store does not exist. */
  | 'missing'
  /** The store is damaged. */
  | 'corrupt'
  /** A newer version of Keyhold wrote it. */
  | 'newer'
  /** Every record is authentic, but together they are not the newest. */
  | 'rolled-back'
  | 'precondition-failed'
  /** The store cannot be read or written. */
  | 'unavailable';

/** The error of every method of a store. Its message is for an operator. */
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
