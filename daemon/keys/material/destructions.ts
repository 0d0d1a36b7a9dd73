// Intents to destroy objects of materials or wrapping pairs that are no longer used. An intent is committed in the batch
// that ends their use, and removed when they are destroyed; the start and the scheduler finish remaining ones.
import type { KeyStore } from '../../hsm/key-store.js';
import type { RecordChange, Records } from '../../store/records/records.js';

/** Prefix of the keys of these intents. */
export const destructionPrefix = 'destruction/';

/** The change that intends a destruction. @param objectId CKA_ID in hex */
export function intendDestruction(objectId: string): RecordChange {
  return { key: destructionPrefix + objectId, value: '{}' };
}

/** Destroys what is intended to be; may be called again. @throws HsmError, StoreError */
export async function finishDestruction(records: Records, store: KeyStore, objectId: string): Promise<void> {
  await store.destroy(Buffer.from(objectId, 'hex'));
  await records.commit([{ key: destructionPrefix + objectId, value: undefined }]);
}

/** Finishes what a crash left. @returns how many there were */
export async function finishDestructions(records: Records, store: KeyStore): Promise<number> {
  const names = [...records.keys(destructionPrefix)];
  for (const name of names) await finishDestruction(records, store, name.slice(destructionPrefix.length));
  return names.length;
}
