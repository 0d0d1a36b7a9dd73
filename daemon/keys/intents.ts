// Making key material touches two systems, token and store. The intent is written first, then the object is made,
// then one batch commits the record and removes the intent. What start-up finds of intents is undone: an object
// whose CKA_ID stands in an intent belongs to nobody, since the commit that would have named it also removes the
// intent. No other object is ever destroyed by repair.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ImportedMaterial, KeyStore, KeyTemplate, ObjectId } from '../hsm/key-store.js';
import type { RecordChange, Records } from '../store/records.js';

const intentRecord = z.strictObject({
  /** CKA_ID of the object to be made, hex. */
  objectId: z.string().regex(/^[0-9a-f]{32}$/),
});

/** Material that exists in the token and is not committed yet. */
export interface PendingMaterial {
  readonly objectId: Buffer;
  /** Belongs into the batch that commits the material. */
  readonly commit: RecordChange;
  /** Destroys the object and removes the intent. */
  undo(): Promise<void>;
}

/**
 * Generates material under an intent.
 * @param label CKA_LABEL
 * @throws HsmError after undoing what could be undone
 */
export async function generateMaterial(
  records: Records,
  store: KeyStore,
  label: string,
  template: KeyTemplate,
): Promise<PendingMaterial> {
  return (await make(records, store, (id) => store.generate(id, label, template))).pending;
}

/**
 * Imports material under an intent, as {@link generateMaterial} generates it.
 * @param perform importWrapped or importPlaintext of the store, with that CKA_ID and label
 */
export async function importMaterial(
  records: Records,
  store: KeyStore,
  label: string,
  perform: (id: ObjectId, label: string) => Promise<ImportedMaterial>,
): Promise<PendingMaterial & { readonly imported: ImportedMaterial }> {
  const { made, pending } = await make(records, store, (id) => perform(id, label));
  return { ...pending, imported: made };
}

async function make<Made>(
  records: Records,
  store: KeyStore,
  perform: (id: ObjectId) => Promise<Made>,
): Promise<{ readonly pending: PendingMaterial; readonly made: Made }> {
  const objectId = await store.random(16);
  const key = `intent/${randomUUID()}`;
  const undo = async () => {
    await store.destroy(objectId);
    await records.commit([{ key, value: undefined }]);
  };
  await records.commit([{ key, value: JSON.stringify({ objectId: objectId.toString('hex') }) }]);
  let made: Made;
  try {
    made = await perform(objectId);
  } catch (error) {
    // The worker may have died after making the object. Where undoing fails too, the next start finishes it.
    await undo().catch(() => undefined);
    throw error;
  }
  return { pending: { objectId, commit: { key, value: undefined }, undo }, made };
}

/** Undoes the intents that a crash left. @returns how many there were */
export async function repairIntents(records: Records, store: KeyStore): Promise<number> {
  const keys = [...records.keys('intent/')];
  for (const key of keys) {
    const { objectId } = intentRecord.parse(JSON.parse(records.get(key) ?? ''));
    await store.destroy(Buffer.from(objectId, 'hex'));
    await records.commit([{ key, value: undefined }]);
  }
  return keys.length;
}
