// When something is due for a key, kept up with the keys' records: no tick walks all of them.
import {
  destructionPrefix,
  type Key,
  type Keyring,
  materialsOf,
  periodBegins,
  wrappingKey,
  wrappingKeyPrefix,
} from '../keys/index.js';
import type { Records } from '../store/records/records.js';

/** Seconds after which an object that was to be destroyed is looked for again. */
const timeToDestroy = 30;

/** Due times by name, in epoch seconds. */
export class DueTimes {
  readonly #times = new Map<string, number>();
  /** Nothing is due before. */
  #earliest = Infinity;

  set(name: string, at: number | undefined): void {
    if (at === undefined) {
      this.#times.delete(name);
      return;
    }
    this.#times.set(name, at);
    this.#earliest = Math.min(this.#earliest, at);
  }

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

/** When plans were made, by name, in epoch seconds; those made later than now were made by a clock that was ahead. */
class PlannedTimes {
  readonly #times = new Map<string, number>();
  /** None was made later. */
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

/** Whether its own record says so, whatever the time is and whatever tokens hold. */
function isEnabled({ record }: Key): boolean {
  return record.enabled && !record.deletion;
}

export class DueIndex {
  /** Waiting periods that end. */
  readonly deletions = new DueTimes();
  /** Deletions that were begun and have to be finished: due at once. */
  readonly begunDeletions = new DueTimes();
  /** Automatic rotations of enabled keys. */
  readonly rotations = new DueTimes();
  /** When the waiting periods of deletions, and the periods of automatic rotations, began. */
  readonly begunPeriods = new PlannedTimes();
  /** The first expiry of a key's imported materials. */
  readonly expiries = new DueTimes();
  /** Wrapping pairs, by the names of their records. */
  readonly wrappingKeys = new DueTimes();
  /** Objects that are to be destroyed, by CKA_ID in hex: who commits the intent does it, or has failed. */
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
    this.rotations.set(keyId, key && isEnabled(key) ? key.record.rotation?.nextAt : undefined);
  }

  #setWrappingKey(records: Records, name: string): void {
    this.wrappingKeys.set(name, wrappingKey(records, name)?.expiresAt);
  }
}
