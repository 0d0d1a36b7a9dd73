import type { WorkerProcess } from './worker-process.js';

/** A key that one worker created: that worker knows its handle, the others have to search the token. */
export interface NewKey {
  /** Consecutive number of the key in this pool. */
  readonly number: number;
  readonly maker: WorkerProcess;
}

/** The keys that this pool created and some of its workers have not seen yet. */
export class NewKeys {
  /** By CKA_ID in latin1. */
  readonly #byId = new Map<string, NewKey>();
  #newest = 0;

  /** Number of keys that were created. A worker that starts now finds all of them. */
  get made(): number {
    return this.#newest;
  }

  /** Number of keys that some worker does not know. */
  get size(): number {
    return this.#byId.size;
  }

  /** Adds a key. @param id CKA_ID */
  add(id: Buffer, maker: WorkerProcess): void {
    this.#byId.set(id.toString('latin1'), { number: ++this.#newest, maker });
  }

  /** Forgets a key. @param name CKA_ID in latin1 */
  delete(name: string): void {
    this.#byId.delete(name);
  }

  /** Forgets the keys of a worker that ended: no process has their handles any more. */
  deleteOf(maker: WorkerProcess): void {
    for (const [name, key] of this.#byId) if (key.maker === maker) this.#byId.delete(name);
  }

  /** Forgets the keys that all of these workers know. */
  deleteKnownTo(workers: readonly WorkerProcess[]): void {
    for (const [name, key] of this.#byId)
      if (workers.every((worker) => knows(worker, key))) this.#byId.delete(name);
  }

  /** Finds the first of some keys that is new. @param names CKA_IDs in latin1 */
  find(names: readonly string[]): NewKey | undefined {
    for (const name of names) {
      const key = this.#byId.get(name);
      if (key) return key;
    }
    return undefined;
  }

  /** Whether there are keys that a worker does not know. */
  areUnknownTo(worker: WorkerProcess): boolean {
    for (const key of this.#byId.values()) if (!knows(worker, key)) return true;
    return false;
  }
}

/** Whether a worker knows the handle of a key, or finds it without a search. */
export function knows(worker: WorkerProcess, key: NewKey): boolean {
  return worker === key.maker || worker.knownKeys >= key.number;
}
