// Creating key material involves two systems, token and store. The intent is committed first, then the object is created,
// then one batch commits the record and removes the intent. The daemon's start undoes remaining intents: an object whose
// CKA_ID is in an intent belongs to no key, because the commit of the key would have removed the intent. Repair never
// destroys any other object.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ImportedMaterial, KeyStore, KeyTemplate, ObjectId } from '../../hsm/key-store.js';
import type { RecordChange, Records } from '../../store/records/records.js';

const intentRecord = z.strictObject({
  /** CKA_ID of the object to be created, hex. */
  objectId: z.string().regex(/^[0-9a-f]{32}$/),
  /** The custom key store in whose token it is created; absent for the default one. */
  customKeyStoreId: z.string().optional(),
  /** Set if undoing it failed; it will not be committed any more. */
  abandoned: z.literal(true).optional(),
});

/** Material that exists in the token and is not committed yet. */
export interface PendingMaterial {
  readonly objectId: Buffer;
  /** Must be part of the batch that commits the material. */
  readonly commit: RecordChange;
  /** Destroys the object and removes the intent. */
  undo(): Promise<void>;
}

/**
 * Generates material under an intent.
 * @param label CKA_LABEL
 * @param customKeyStoreId undefined for the default store
 * @throws HsmError after undoing as much as possible
 */
export async function generateMaterial(
  records: Records,
  store: KeyStore,
  label: string,
  template: KeyTemplate,
  customKeyStoreId?: string,
): Promise<PendingMaterial> {
  const perform = (id: ObjectId) => store.generate(id, label, template);
  return (await make(records, store, perform, customKeyStoreId)).pending;
}

/**
 * Imports material under an intent, like {@link generateMaterial}.
 * @param perform calls importWrapped or importPlaintext of the store with this CKA_ID and label
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
  customKeyStoreId?: string,
): Promise<{ readonly pending: PendingMaterial; readonly made: Made }> {
  const objectId = await store.random(16);
  const key = `intent/${randomUUID()}`;
  const intent = { objectId: objectId.toString('hex'), customKeyStoreId };
  const undo = async () => {
    try {
      await store.destroy(objectId);
    } catch (error) {
      await records.commit([{ key, value: JSON.stringify({ ...intent, abandoned: true }) }]);
      throw error;
    }
    await records.commit([{ key, value: undefined }]);
  };
  await records.commit([{ key, value: JSON.stringify(intent) }]);
  let made: Made;
  try {
    made = await perform(objectId);
  } catch (error) {
    // The worker may have died after creating the object. If undoing fails too, the next connection finishes it.
    await undo().catch(() => undefined);
    throw error;
  }
  return { pending: { objectId, commit: { key, value: undefined }, undo }, made };
}

/** Returns the CKA_IDs, in hex, of the objects of all open intents. */
export function intendedObjects(records: Records): string[] {
  return [...records.keys('intent/')].map(
    (key) => intentRecord.parse(JSON.parse(records.get(key) ?? '')).objectId,
  );
}

/** Selects the intents to undo. */
export interface Repair {
  /** The store of the token; absent for the default one. */
  readonly customKeyStoreId?: string;
  /** Intents that will not be committed any more, besides the abandoned ones; absent: all. */
  readonly left?: ReadonlySet<string>;
  /** Whether an object, by its CKA_ID in hex, is known to belong to a key, whatever the store says. It is kept. */
  readonly isKept?: (objectId: string) => Promise<boolean>;
}

/**
 * Undoes the intents of one token that a crash, or the loss of the token, left behind.
 * @returns CKA_IDs, in hex, of the destroyed objects
 * @throws HsmError, StoreError
 */
export async function repairIntents(
  records: Records,
  store: KeyStore,
  { customKeyStoreId, left, isKept }: Repair,
): Promise<string[]> {
  const repaired: string[] = [];
  for (const key of [...records.keys('intent/')]) {
    const text = records.get(key);
    // It may have been committed or undone meanwhile.
    if (text === undefined) continue;
    const intent = intentRecord.parse(JSON.parse(text));
    if (intent.customKeyStoreId !== customKeyStoreId) continue;
    if (left?.has(key) === false && !intent.abandoned) continue;
    if (!(await isKept?.(intent.objectId))) {
      await store.destroy(Buffer.from(intent.objectId, 'hex'));
      repaired.push(intent.objectId);
    }
    await records.commit([{ key, value: undefined }]);
  }
  return repaired;
}
