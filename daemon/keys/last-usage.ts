// The last usage of each key. Writing each usage would cost more than the usage itself, so the newest usage of each key is
// kept in memory and written in batches; a crash loses the usages since the last flush.
import { z } from 'zod';
import type { KeyLastUsageTrackingOperation } from '../../proto/generated/messages.js';
import type { RecordChange, Records } from '../store/records/records.js';

const usageRecord = z.strictObject({
  operation: z.custom<KeyLastUsageTrackingOperation>((value) => typeof value === 'string'),
  /** Epoch seconds. */
  at: z.number(),
  eventId: z.string(),
  requestId: z.string(),
});

/** A successful use of a key. */
export type Usage = z.output<typeof usageRecord>;

/** Records in one commit: few enough that other changes do not wait long behind it. */
const writtenAtOnce = 128;

/** Returns the key of the record of a key's last usage. */
export function lastUsageKey(keyId: string): string {
  return `last-usage/${keyId}`;
}

/** The last usage of all keys. */
export class LastUsage {
  #noted = new Map<string, Usage>();
  /** Usages that the present flush is writing. */
  #writing = new Map<string, Usage>();
  #flush: Promise<void> | undefined;

  constructor(private readonly records: Records) {}

  /** Notes a usage, to be written with the next flush. */
  note(keyId: string, usage: Usage): void {
    this.#noted.set(keyId, usage);
  }

  /** Returns the newest usage of a key. Its time never goes back, even if the clock does. */
  of(keyId: string): Usage | undefined {
    const stored = this.#stored(keyId);
    const noted = this.#noted.get(keyId) ?? this.#writing.get(keyId);
    return noted ? notBefore(stored, noted) : stored;
  }

  /** Writes the noted usages. Those that could not be written stay noted. @throws StoreError */
  flush(): Promise<void> {
    this.#flush ??= this.#write().finally(() => (this.#flush = undefined));
    return this.#flush;
  }

  async #write(): Promise<void> {
    this.#writing = this.#noted;
    this.#noted = new Map();
    const keyIds = [...this.#writing.keys()];
    try {
      while (keyIds.length > 0) {
        const some = keyIds.slice(0, writtenAtOnce);
        await this.records.commit(() => some.flatMap((keyId) => this.#change(keyId)));
        keyIds.splice(0, some.length);
      }
    } finally {
      for (const keyId of keyIds)
        if (!this.#noted.has(keyId)) this.#noted.set(keyId, this.#writing.get(keyId)!);
      this.#writing = new Map();
    }
  }

  #change(keyId: string): RecordChange[] {
    // The key may have been deleted since.
    if (this.records.get(`key/${keyId}`) === undefined) return [];
    const usage = notBefore(this.#stored(keyId), this.#writing.get(keyId)!);
    return [{ key: lastUsageKey(keyId), value: JSON.stringify(usage) }];
  }

  #stored(keyId: string): Usage | undefined {
    const text = this.records.get(lastUsageKey(keyId));
    return text === undefined ? undefined : usageRecord.parse(JSON.parse(text));
  }
}

function notBefore(earlier: Usage | undefined, usage: Usage): Usage {
  return earlier && earlier.at > usage.at ? { ...usage, at: earlier.at } : usage;
}
