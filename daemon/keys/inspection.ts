import type { TokenObject } from '../hsm/key-store.js';
import type { Keyring } from './keyring.js';
import { materialsOf } from './record.js';
import { wrappingKey, wrappingKeyPrefix } from './wrapping-keys.js';

export interface Inspection {
  /** Keys some of whose material the token does not hold: they are Unavailable, and never removed. */
  readonly missing: readonly string[];
  /** Objects that no record knows: other people's, or lost ones of ours. They are reported and never touched. */
  readonly foreign: number;
}

/**
 * Compares the token's objects with the records.
 * @param internal CKA_IDs of the daemon's own keys, hex
 */
export function inspectToken(
  objects: readonly TokenObject[],
  keyring: Keyring,
  internal: Iterable<string>,
): Inspection {
  const present = new Set(objects.map((object) => object.id.toString('hex')));
  const known = new Set(internal);
  const missing: string[] = [];
  for (const name of keyring.records.keys(wrappingKeyPrefix))
    known.add(wrappingKey(keyring.records, name)!.objectId);
  for (const keyId of keyring.keyIds()) {
    const materials = materialsOf(keyring.existing(keyId).record);
    for (const { objectId } of materials) known.add(objectId);
    if (materials.some(({ objectId, imported }) => imported?.present !== false && !present.has(objectId)))
      missing.push(keyId);
  }
  return { missing, foreign: objects.filter((object) => !known.has(object.id.toString('hex'))).length };
}
