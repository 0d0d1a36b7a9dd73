// Objects that are to be destroyed, of material or wrapping pairs that nothing may use any more. The intent is committed
// in the batch that takes them out of use, and removed when they are gone; start and scheduler finish what is left.
import type { KeyStore } from '../../hsm/key-store.js';
import type { RecordChange, Records } from '../../store/records/records.js';

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
