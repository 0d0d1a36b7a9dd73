// Intents to destroy the objects of unused materials and wrapping pairs. An intent is committed in the batch that ends their
// use, and removed once they are destroyed. The daemon's start and the scheduler finish those that remain.
import type { KeyStore } from '../../hsm/key-store.js';
import type { RecordChange, Records } from '../../store/records/records.js';

/** Prefix of the keys of these intents. */
export const destructionPrefix = 'destruction/';

/** Returns the change that stores an intent to destroy an object. @param objectId CKA_ID in hex */
export function intendDestruction(objectId: string): RecordChange {
  return { key: destructionPrefix + objectId, value: '{}' };
}

/** Destroys an object and removes its intent. May be repeated. @param objectId CKA_ID in hex @throws HsmError, StoreError */
export async function finishDestruction(records: Records, store: KeyStore, objectId: string): Promise<void> {
  await store.destroy(Buffer.from(objectId, 'hex'));
  await records.commit([{ key: destructionPrefix + objectId, value: undefined }]);
}

/** Finishes the destructions that a crash interrupted. @returns their number @throws HsmError, StoreError */
export async function finishDestructions(records: Records, store: KeyStore): Promise<number> {
  const names = [...records.keys(destructionPrefix)];
  for (const name of names) await finishDestruction(records, store, name.slice(destructionPrefix.length));
  return names.length;
}
