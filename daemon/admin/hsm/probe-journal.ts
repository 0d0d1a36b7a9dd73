// The token objects that doctor made and has not destroyed yet: for modules that make no session keys, whose trial keys
// outlive a doctor that is killed. The next one destroys them.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFileSync } from '../../files/replace-file.js';
import type { KeyStore, ObjectId } from '../../hsm/key-store.js';
import { CKA_CLASS, CKA_ID, CKA_LABEL } from '../../keys/index.js';

const journal = z.array(z.string().regex(/^[0-9a-f]{32}$/));
const label = Buffer.from('keyhold/doctor').toString('hex');

export class ProbeJournal {
  readonly #path: string;

  constructor(home: string, storeName: string) {
    this.#path = join(home, `doctor-${storeName.replace(/[^A-Za-z0-9-]/g, '_')}.json`);
  }

  get isEmpty(): boolean {
    return this.#read().length === 0;
  }

  /** Destroys what an earlier doctor left: objects that stand in the journal and are doctor's by their label. */
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

  add(id: ObjectId): void {
    replaceFileSync(this.#path, JSON.stringify([...this.#read(), id.toString('hex')]));
  }

  remove(id: ObjectId): void {
    const left = this.#read().filter((each) => each !== id.toString('hex'));
    if (left.length > 0) replaceFileSync(this.#path, JSON.stringify(left));
    else rmSync(this.#path, { force: true });
  }

  #read(): string[] {
    return existsSync(this.#path) ? journal.parse(JSON.parse(readFileSync(this.#path, 'utf8'))) : [];
  }
}
