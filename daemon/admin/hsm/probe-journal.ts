// Remembers the token objects that doctor has generated and not destroyed yet, for modules without session keys. If doctor is
// killed, its next run destroys them.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFileSync } from '../../files/replace-file.js';
import type { KeyStore, ObjectId } from '../../hsm/key-store.js';
import { CKA_CLASS, CKA_ID, CKA_LABEL } from '../../keys/index.js';

const journal = z.array(z.string().regex(/^[0-9a-f]{32}$/));
const label = Buffer.from('keyhold/doctor').toString('hex');

/** The journal of one token. */
export class ProbeJournal {
  readonly #path: string;

  constructor(home: string, storeName: string) {
    this.#path = join(home, `doctor-${storeName.replace(/[^A-Za-z0-9-]/g, '_')}.json`);
  }

  /** Whether no objects are left. */
  get isEmpty(): boolean {
    return this.#read().length === 0;
  }

  /** Destroys the objects of an earlier run: those in the journal that have doctor's label. */
  async clean(store: KeyStore): Promise<void> {
    for (const id of this.#read()) {
      const found = await store.inspect(
        [
          [CKA_ID, id],
          [CKA_LABEL, label],
        ],
        [CKA_CLASS],
      );
      if (found.length > 0) await store.destroy(Buffer.from(id, 'hex'));
    }
    rmSync(this.#path, { force: true });
  }

  /** Adds an object before it is generated, durably. @param id CKA_ID */
  add(id: ObjectId): void {
    replaceFileSync(this.#path, JSON.stringify([...this.#read(), id.toString('hex')]));
  }

  /** Removes a destroyed object. @param id CKA_ID */
  remove(id: ObjectId): void {
    const left = this.#read().filter((each) => each !== id.toString('hex'));
    if (left.length > 0) replaceFileSync(this.#path, JSON.stringify(left));
    else rmSync(this.#path, { force: true });
  }

  #read(): string[] {
    return existsSync(this.#path) ? journal.parse(JSON.parse(readFileSync(this.#path, 'utf8'))) : [];
  }
}
