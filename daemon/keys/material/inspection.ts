import { cipherSuites } from '../../../proto/formats/ciphertext.js';
import type { KeySpec } from '../../../proto/generated/messages.js';
import type { TokenObject } from '../../hsm/token-description.js';
import { type KeyRecord, type MaterialRecord, materialsOf, storeIdOf } from '../record.js';
import { keySpecs } from '../specs/table.js';
import { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY } from '../specs/pkcs11.js';

/**
 * The part of a material that a token lacks. `secret`: the secret or private key, or one of the two secret keys of
 * AES_256_CBC_HMAC_SHA_256. `public`: only the public key of a pair.
 */
export type Missing = 'secret' | 'public';

/** A material with objects missing in its token. */
export interface MissingMaterial {
  readonly keyId: string;
  readonly materialId: string;
  /** CKA_ID, hex. */
  readonly objectId: string;
  readonly missing: Missing;
}

/** Material in a token whose label names a key, but which is in no key's record. */
export interface UnclaimedMaterial {
  readonly keyId: string;
  /** CKA_ID, hex. */
  readonly objectId: string;
}

/** The result of {@link inspectToken}. */
export interface Inspection {
  /** Materials in the records but not in the token. Their records are never removed. */
  readonly missing: readonly MissingMaterial[];
  /** Left when an older metadata store was accepted, or a disk lost the end of it. They are never touched. */
  readonly unclaimed: readonly UnclaimedMaterial[];
  /** Number of objects in no record, including unclaimed materials. They are reported and never touched. */
  readonly foreign: number;
}

/** Names the objects of a token that are in no record, for a warning. @param count at least 1 */
export function foreignObjects(count: number): string {
  return `${count} ${count === 1 ? 'object that does' : 'objects that do'} not belong to this Keyhold`;
}

const keyLabel = /^keyhold\/([0-9a-f-]{36}|mrk-[0-9a-f]{32})$/;

/**
 * Compares a token's objects with the records.
 * @param keys the keys with material in the token
 * @param customKeyStoreId the store of the token; undefined for the default one
 * @param others CKA_IDs, in hex, of Keyhold's other objects
 * @param ownLabel label of Keyhold's data object, which has no CKA_ID
 */
export function inspectToken(
  objects: readonly TokenObject[],
  keys: Iterable<{ readonly record: KeyRecord }>,
  customKeyStoreId: string | undefined,
  others: Iterable<string>,
  ownLabel?: string,
): Inspection {
  const present = new Map<string, TokenObject[]>();
  for (const object of objects) {
    const id = object.id.toString('hex');
    const same = present.get(id);
    if (same) same.push(object);
    else present.set(id, [object]);
  }
  const known = new Set(others);
  const missing: MissingMaterial[] = [];
  for (const { record } of keys) {
    for (const material of materialsOf(record)) {
      if (storeIdOf(record, material) !== customKeyStoreId) continue;
      const { materialId, objectId, imported } = material;
      known.add(objectId);
      if (imported?.present === false) continue;
      const lack = lackOf(record, material, present.get(objectId) ?? []);
      if (lack) missing.push({ keyId: record.keyId, materialId, objectId, missing: lack });
    }
  }
  const foreign = objects.filter(({ id, label }) => !known.has(id.toString('hex')) && label !== ownLabel);
  const unclaimed = new Map<string, UnclaimedMaterial>();
  for (const { class: objectClass, id, label } of foreign) {
    const keyId = keyLabel.exec(label)?.[1];
    const isSecret = objectClass === CKO_SECRET_KEY || objectClass === CKO_PRIVATE_KEY;
    if (keyId === undefined || !isSecret || id.length !== 16) continue;
    const objectId = id.toString('hex');
    unclaimed.set(objectId, { keyId, objectId });
  }
  return { missing, unclaimed: [...unclaimed.values()], foreign: foreign.length };
}

function lackOf(
  { keySpec }: KeyRecord,
  { suite }: MaterialRecord,
  there: readonly TokenObject[],
): Missing | undefined {
  const count = (wanted: number) => there.filter((object) => object.class === wanted).length;
  if (!isPair(keySpec))
    return count(CKO_SECRET_KEY) < (suite === cipherSuites.AES_256_CBC_HMAC_SHA_256 ? 2 : 1)
      ? 'secret'
      : undefined;
  if (count(CKO_PRIVATE_KEY) === 0) return 'secret';
  return count(CKO_PUBLIC_KEY) === 0 ? 'public' : undefined;
}

/** Whether keys of a spec have a private and a public key. */
export function isPair(keySpec: KeySpec): boolean {
  const [usage] = Object.values(keySpecs[keySpec].usages);
  return usage?.template.publicAttributes !== undefined;
}

/** Describes a missing material to an operator. @param isCurrent whether it is the key's current material */
export function missingText({ keyId, materialId, missing }: MissingMaterial, isCurrent: boolean): string {
  const what = missing === 'public' ? 'the public key of the material' : 'the material';
  const which = isCurrent ? ' (its current one)' : '';
  return `${what} of key ${keyId}${which}: ${materialId}`;
}
