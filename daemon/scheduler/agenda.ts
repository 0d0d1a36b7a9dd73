// When something is due for a key, kept up with the keys' records: no tick walks all of them.
import type { Key, Keyring } from '../keys/keyring.js';

/** Due times by key id, in epoch seconds. */
class DueTimes {
  readonly #times = new Map<string, number>();
  /** Nothing is due before. */
  #earliest = Infinity;

  set(keyId: string, at: number | undefined): void {
    if (at === undefined) {
      this.#times.delete(keyId);
      return;
    }
    this.#times.set(keyId, at);
    this.#earliest = Math.min(this.#earliest, at);
  }

  due(now: number): string[] {
    if (now < this.#earliest) return [];
    const due: string[] = [];
    this.#earliest = Infinity;
    for (const [keyId, at] of this.#times) {
      if (at <= now) due.push(keyId);
      this.#earliest = Math.min(this.#earliest, at);
    }
    return due;
  }
}

export class Agenda {
  /** Waiting periods that end. */
  readonly deletions = new DueTimes();
  /** Deletions that were begun and have to be finished: due at once. */
  readonly begunDeletions = new DueTimes();
  /** Automatic rotations of enabled keys. */
  readonly rotations = new DueTimes();

  constructor(keyring: Keyring) {
    for (const keyId of keyring.keyIds()) this.#set(keyId, keyring.key(keyId));
    keyring.records.observe('key/', (key) => {
      const keyId = key.slice('key/'.length);
      this.#set(keyId, keyring.key(keyId));
    });
  }

  #set(keyId: string, key: Key | undefined): void {
    const deletion = key?.record.deletion;
    this.deletions.set(keyId, deletion && !deletion.begun ? deletion.at : undefined);
    this.begunDeletions.set(keyId, deletion?.begun ? 0 : undefined);
    this.rotations.set(keyId, key?.state === 'Enabled' ? key.record.rotation?.nextAt : undefined);
  }
}
