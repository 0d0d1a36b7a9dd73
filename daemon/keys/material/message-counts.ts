// The limit of messages under one AES-GCM material with random IVs: 2^32 (NIST SP 800-38D, section 8.3). Messages are
// reserved in the store in blocks, so a crash loses the rest of a block but never undercounts. A request decrements a
// counter in memory and waits for the store only when the block is used up.
import { z } from 'zod';
import { KeyError } from '../errors.js';
import type { Logger } from '../../observability/log.js';
import type { Records } from '../../store/records/records.js';
import type { Keyring } from '../keyring.js';
import { mostReplicas } from '../multi-region/relation.js';
import type { Key } from '../key.js';

const countRecord = z.strictObject({
  /** Messages reserved under the material up to and including the start with the number `start`. */
  reserved: z.number().int().nonnegative(),
  /** The number of the daemon's start that wrote the record. */
  start: z.number().int().nonnegative(),
});

const startsRecord = z.number().int().nonnegative();
const startsKey = 'message-count-starts';

/** Returns the key of the record of a material's count. */
export function messageCountKey(materialId: string): string {
  return `message-count/${materialId}`;
}

/**
 * Messages since the daemon's start after which a material counts as busy, and its next block is reserved. Its key can then
 * go on encrypting while another HSM, which authenticates the records, is unavailable for a while.
 */
const busyAfter = 64;

/** The fraction of the bound at which a material is rotated: the rest lasts until the HSM has generated the new one. */
const rotateAt = 0.75;

interface Counter {
  /** Messages left in the reserved block. */
  left: number;
  /** The next block is reserved in the background when fewer than this are left; 0 once that has begun. */
  low: number;
  /** Messages reserved in the store, including those of earlier starts. */
  reserved: number;
  refill: Promise<void> | undefined;
  rotation: Promise<void> | undefined;
}

/** Options of the counts. */
export interface MessageCountOptions {
  readonly keyring: Keyring;
  /** Maximum messages under one material. */
  readonly bound: number;
  /** Rotates a key. @throws KeyError (unsupported-operation) if it cannot be rotated */
  readonly rotate: (keyId: string) => Promise<void>;
  readonly log: Logger;
}

/** Counts the messages under each material. */
export class MessageCounts {
  readonly #counters = new Map<string, Counter>();
  readonly #block: number;
  /** Messages that each start reserves implicitly for every material, so that the first use of a key needs no write. */
  readonly #startBlock: number;

  private constructor(
    private readonly records: Records,
    private readonly options: MessageCountOptions,
    private readonly start: number,
  ) {
    this.#block = Math.min(262_144, Math.ceil(options.bound / 64));
    this.#startBlock = Math.min(4_096, Math.floor(options.bound / 1_024));
  }

  /** Counts this start of the daemon, and opens the counts. @throws StoreError */
  static async open(records: Records, options: MessageCountOptions): Promise<MessageCounts> {
    const start = startsRecord.parse(Number(records.get(startsKey) ?? '0')) + 1;
    await records.commit([{ key: startsKey, value: String(start) }]);
    return new MessageCounts(records, options, start);
  }

  /**
   * Counts one message under the key's current material.
   * @returns the key to encrypt with; if the bound required a rotation, the rotated key
   * @throws KeyError (limit-exceeded) if the material has reached its bound and the key cannot be rotated
   */
  claim(key: Key): Key | Promise<Key> {
    if (!key.current.symmetric) return key;
    const counter = this.#counter(key);
    if (counter.left === 0) return this.#wait(key);
    counter.left -= 1;
    if (counter.left < counter.low) this.#ahead(key, counter);
    return key;
  }

  /** The bound of a key's materials in this Region: each Region counts for itself, so related keys share the bound. */
  #boundOf({ record }: Key): number {
    const { bound } = this.options;
    return record.multiRegion ? Math.floor(bound / (1 + mostReplicas)) : bound;
  }

  #counter(key: Key): Counter {
    const { materialId } = key.current;
    let counter = this.#counters.get(materialId);
    if (!counter) {
      counter = this.#read(materialId, this.#boundOf(key));
      this.#counters.set(materialId, counter);
    }
    return counter;
  }

  #read(materialId: string, bound: number): Counter {
    const text = this.records.get(messageCountKey(materialId));
    const { reserved, start } =
      text === undefined ? { reserved: 0, start: 0 } : countRecord.parse(JSON.parse(text));
    const starts = this.start - start;
    const before = Math.min(bound, reserved + Math.max(0, starts - 1) * this.#startBlock);
    const left = Math.min(bound - before, starts > 0 ? this.#startBlock : 0);
    const low = Math.max(left - busyAfter, Math.ceil(left / 2));
    return { left, low, reserved: before + left, refill: undefined, rotation: undefined };
  }

  /** Reserves the next block, or rotates the key, in the background. */
  #ahead(key: Key, counter: Counter): void {
    const { log } = this.options;
    const bound = this.#boundOf(key);
    const { reserved } = counter;
    counter.low = 0;
    // A failure is retried when half of the rest is used up. When nothing is left, requests wait for it and get its error.
    if (reserved < bound)
      this.#refill(key, counter).catch(() => {
        counter.low = Math.ceil(counter.left / 2);
      });
    if (reserved < bound * rotateAt) return;
    const details = { key: key.arn, keyMaterialId: key.current.materialId, reserved, bound };
    log.warn(details, 'key material is near its message limit; the key will be rotated if possible');
    this.#rotate(key, counter).catch((error: unknown) => {
      log.error({ ...details, err: error }, 'a key near its message limit could not be rotated');
    });
  }

  async #wait(key: Key): Promise<Key> {
    const { keyring } = this.options;
    const bound = this.#boundOf(key);
    for (;;) {
      const newest = keyring.existing(key.record.keyId);
      const counter = this.#counter(newest);
      if (counter.left > 0) {
        counter.left -= 1;
        if (counter.left < counter.low) this.#ahead(newest, counter);
        return newest;
      }
      await (counter.reserved < bound ? this.#refill(newest, counter) : this.#rotate(newest, counter));
    }
  }

  #refill(key: Key, counter: Counter): Promise<void> {
    counter.refill ??= this.#reserve(key, counter).finally(() => (counter.refill = undefined));
    return counter.refill;
  }

  async #reserve(key: Key, counter: Counter): Promise<void> {
    const { keyring } = this.options;
    const bound = this.#boundOf(key);
    const { materialId } = key.current;
    const block = Math.min(this.#block, bound - counter.reserved);
    const record = { reserved: counter.reserved + block, start: this.start };
    await this.records.commit(() => {
      keyring.existing(key.record.keyId);
      return [{ key: messageCountKey(materialId), value: JSON.stringify(record) }];
    });
    counter.reserved += block;
    counter.left += block;
    counter.low = Math.ceil(this.#block / 2);
  }

  #rotate(key: Key, counter: Counter): Promise<void> {
    if (this.options.keyring.key(key.record.keyId)?.current.materialId !== key.current.materialId)
      return Promise.resolve();
    counter.rotation ??= this.#replace(key).finally(() => (counter.rotation = undefined));
    return counter.rotation;
  }

  async #replace(key: Key): Promise<void> {
    const { rotate } = this.options;
    const bound = this.#boundOf(key);
    try {
      await rotate(key.record.keyId);
    } catch (error) {
      if (!(error instanceof KeyError && error.code === 'unsupported-operation')) throw error;
      throw new KeyError(
        'limit-exceeded',
        `The key material of ${key.arn} has encrypted as many messages as AES-GCM allows (${bound}), and the key ` +
          'cannot be rotated. It still decrypts: encrypt with another key.',
        { cause: error },
      );
    }
  }
}
