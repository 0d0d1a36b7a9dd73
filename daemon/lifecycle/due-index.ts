// Due dates of keys, kept up to date with their records, so that no tick has to visit every key.
import {
  destructionPrefix,
  isReplica,
  type Key,
  type Keyring,
  materialsOf,
  periodBegins,
  wrappingKey,
  wrappingKeyPrefix,
} from '../keys/index.js';
import type { Records } from '../store/records/records.js';

/** Seconds after which the destruction of an object is tried again. */
const timeToDestroy = 30;

/** Due times by name, in epoch seconds. */
export class DueTimes {
  readonly #times = new Map<string, number>();
  /** Nothing is due before this time. */
  #earliest = Infinity;

  /** Sets or removes a due time. @param at epoch seconds; undefined removes it */
  set(name: string, at: number | undefined): void {
    if (at === undefined) {
      this.#times.delete(name);
      return;
    }
    this.#times.set(name, at);
    this.#earliest = Math.min(this.#earliest, at);
  }

  /** Number of due times. */
  get count(): number {
    return this.#times.size;
  }

  /** The earliest due time; undefined if there is none. */
  get first(): number | undefined {
    let first = Infinity;
    for (const at of this.#times.values()) first = Math.min(first, at);
    return first === Infinity ? undefined : first;
  }

  /** Returns the names that are due. @param now epoch seconds */
  due(now: number): string[] {
    if (now < this.#earliest) return [];
    const due: string[] = [];
    this.#earliest = Infinity;
    for (const [name, at] of this.#times) {
      if (at <= now) due.push(name);
      this.#earliest = Math.min(this.#earliest, at);
    }
    return due;
  }
}

/**
 * Start times of periods by name, in epoch seconds. A period that starts in the future was set by a clock that was ahead.
 */
class PlannedTimes {
  readonly #times = new Map<string, number>();
  /** No period starts later than this. */
  #latest = -Infinity;

  set(name: string, at: number | undefined): void {
    if (at === undefined) {
      this.#times.delete(name);
      return;
    }
    this.#times.set(name, at);
    this.#latest = Math.max(this.#latest, at);
  }

  after(now: number): string[] {
    if (now >= this.#latest) return [];
    this.#latest = Math.max(-Infinity, ...this.#times.values());
    return [...this.#times].filter(([, at]) => at > now).map(([name]) => name);
  }
}

/**
 * Whether a key rotates automatically if its record says so, regardless of the time and of the material in the token: a
 * replica key follows its primary key.
 */
function rotatesItself({ record }: Key): boolean {
  return record.enabled && !record.deletion && !record.replicaDeletion && !isReplica(record);
}

/** The due dates of the background key lifecycle. */
export class DueIndex {
  /** Ends of the waiting periods of deletions. */
  readonly deletions = new DueTimes();
  /** Deletions that were begun and must be finished: due at once. */
  readonly begunDeletions = new DueTimes();
  /** Automatic rotations of enabled keys. */
  readonly rotations = new DueTimes();
  /** Starts of the waiting periods of deletions and of the periods of automatic rotations. */
  readonly begunPeriods = new PlannedTimes();
  /** The first expiry of a key's imported materials. */
  readonly expiries = new DueTimes();
  /** Expiries of wrapping key pairs, by the names of their records. */
  readonly wrappingKeys = new DueTimes();
  /**
   * Objects to destroy, by CKA_ID in hex. The code that committed the intent destroys them; this retries after a failure.
   */
  readonly destructions = new DueTimes();

  constructor(keyring: Keyring) {
    for (const keyId of keyring.keyIds()) this.#set(keyId, keyring.key(keyId));
    keyring.records.observe('key/', (key) => {
      const keyId = key.slice('key/'.length);
      this.#set(keyId, keyring.key(keyId));
    });
    const { records } = keyring;
    for (const name of records.keys(wrappingKeyPrefix)) this.#setWrappingKey(records, name);
    records.observe(wrappingKeyPrefix, (name) => this.#setWrappingKey(records, name));
    records.observe(destructionPrefix, (name, text) => {
      const due = text === undefined ? undefined : Date.now() / 1000 + timeToDestroy;
      this.destructions.set(name.slice(destructionPrefix.length), due);
    });
  }

  #set(keyId: string, key: Key | undefined): void {
    const deletion = key?.record.deletion;
    this.deletions.set(keyId, deletion && !deletion.begun ? deletion.at : undefined);
    this.begunDeletions.set(keyId, deletion?.begun ? 0 : undefined);
    const begins = key ? periodBegins(key.record) : [];
    this.begunPeriods.set(keyId, begins.length > 0 ? Math.max(...begins) : undefined);
    const expiries = key ? materialsOf(key.record).flatMap(({ imported }) => imported?.validTo ?? []) : [];
    this.expiries.set(keyId, expiries.length > 0 ? Math.min(...expiries) : undefined);
    this.rotations.set(keyId, key && rotatesItself(key) ? key.record.rotation?.nextAt : undefined);
  }

  #setWrappingKey(records: Records, name: string): void {
    this.wrappingKeys.set(name, wrappingKey(records, name)?.expiresAt);
  }
}
