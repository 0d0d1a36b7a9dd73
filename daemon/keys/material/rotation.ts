// Rotation in a key's record.
import type { RotationsListEntry } from '../../../proto/generated/messages.js';
import type { Key } from '../key.js';
import { hasReplicas } from '../multi-region/relation.js';
import { type ImportedRecord, type KeyRecord, materialsOf } from '../record.js';

const secondsPerDay = 86_400;

/** Whether the HSM can generate new material for a key: for symmetric encryption keys whose material it generated. */
export function isRotatable({ keySpec, origin }: KeyRecord): boolean {
  return keySpec === 'SYMMETRIC_DEFAULT' && origin === 'AWS_KMS';
}

/** Whether a key can have more than one material, generated or imported. */
export function hasRotations(record: KeyRecord): boolean {
  return isRotatable(record) || (record.keySpec === 'SYMMETRIC_DEFAULT' && record.origin === 'EXTERNAL');
}

/** Returns the record of automatic rotation with a period that begins now. @param now epoch seconds */
export function rotationFrom(now: number, periodInDays: number): NonNullable<KeyRecord['rotation']> {
  return { periodInDays, nextAt: now + periodInDays * secondsPerDay };
}

/** Returns the number of a key's on-demand rotations. */
export function onDemandRotations({ materials }: KeyRecord): number {
  return materials.filter(({ rotationType }) => rotationType === 'ON_DEMAND').length;
}

/**
 * Iterates over a key's materials in the form of ListKeyRotations, oldest first. The name of an entry is its position, which
 * never changes, since materials are only appended.
 * @param after only entries with a greater name
 */
export function* rotationsOf(
  { arn, record }: Key,
  after: string,
): Iterable<RotationsListEntry & { readonly name: string }> {
  const current = record.materials.length - 1;
  for (const [index, material] of materialsOf(record).entries()) {
    const { materialId, createdAt, rotationType, imported } = material;
    const name = String(index).padStart(8, '0');
    if (name <= after) continue;
    yield {
      name,
      keyId: arn,
      keyMaterialId: materialId,
      keyMaterialState:
        index < current ? 'NON_CURRENT' : index === current ? 'CURRENT' : pendingState(record),
      ...(imported && importOf(imported)),
      rotationDate: rotationType && createdAt,
      rotationType,
    };
  }
}

function pendingState(record: KeyRecord) {
  return hasReplicas(record) && replicasWithout(record).length > 0
    ? 'PENDING_MULTI_REGION_IMPORT_AND_ROTATION'
    : 'PENDING_ROTATION';
}

/** The Regions of the replica keys that lack the material that is pending rotation. */
export function replicasWithout({ regions, pendingMaterial }: KeyRecord): readonly string[] {
  if (!regions || !pendingMaterial) return [];
  const { replicaRegions, imported = {} } = regions;
  return replicaRegions.filter((region) => !imported[region]?.includes(pendingMaterial.materialId));
}

function importOf({ present, validTo, description }: ImportedRecord) {
  const keyMaterialDescription = description;
  if (!present) return { keyMaterialDescription, importState: 'PENDING_IMPORT' } as const;
  const expirationModel = validTo === undefined ? 'KEY_MATERIAL_DOES_NOT_EXPIRE' : 'KEY_MATERIAL_EXPIRES';
  return { keyMaterialDescription, importState: 'IMPORTED', expirationModel, validTo } as const;
}
