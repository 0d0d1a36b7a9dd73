import type { TokenObject } from '../hsm/key-store.js';
import type { Key } from './keyring.js';
import { materialsOf, storeIdOf } from './record.js';

export interface Inspection {
  /** Keys some of whose material the token does not hold: they are Unavailable, and never removed. */
  readonly missing: readonly string[];
  /** Objects that no record knows: other people's, or lost ones of ours. They are reported and never touched. */
  readonly foreign: number;
}

/**
 * Compares a token's objects with the records.
 * @param keys those that have material in the token
 * @param customKeyStoreId whose token it is; undefined: the default store's
 * @param others CKA_IDs of objects that are neither a key's nor foreign, hex
 * @param ownLabel label of a data object of ours, which has no CKA_ID
 */
export function inspectToken(
  objects: readonly TokenObject[],
  keys: Iterable<Key>,
  customKeyStoreId: string | undefined,
  others: Iterable<string>,
  ownLabel?: string,
): Inspection {
  const present = new Set(objects.map((object) => object.id.toString('hex')));
  const known = new Set(others);
  const missing: string[] = [];
  for (const { record } of keys) {
    const { keyId } = record;
    const materials = materialsOf(record).filter(
      (material) => storeIdOf(record, material) === customKeyStoreId,
    );
    for (const { objectId } of materials) known.add(objectId);
    if (materials.some(({ objectId, imported }) => imported?.present !== false && !present.has(objectId)))
      missing.push(keyId);
  }
  const isForeign = ({ id, label }: TokenObject) => !known.has(id.toString('hex')) && label !== ownLabel;
  return { missing, foreign: objects.filter(isForeign).length };
}
