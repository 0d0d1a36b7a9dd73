// What waits until all replicas of a key know of it: a rotation, and a new primary Region.
import { digestOf, type KeyRecord, sharedPropertiesOf, withRegions } from '../keys/index.js';

/**
 * What follows once all replicas of a key have its newest revision.
 * @param own the key's Region
 * @returns the record that follows, with its event; undefined if nothing does
 */
export function completion(record: KeyRecord, own: string) {
  const { regions, pendingMaterial } = record;
  if (regions?.role !== 'PRIMARY') return undefined;
  const { replicaRegions, confirmed, revision, movingTo, digest } = regions;
  const isKnown = replicaRegions.every((region) => confirmed?.[region] === revision);
  const properties = sharedPropertiesOf(record, own);
  if (!isKnown || digest !== digestOf(properties)) return undefined;
  if (movingTo !== undefined) {
    const { primaryRegion } = properties;
    return {
      eventName: 'SynchronizeMultiRegionKey',
      details: { primaryRegion },
      record: withRegions(
        record,
        { role: 'REPLICA', primaryRegion, replicaRegions: properties.replicaRegions, revision },
        Date.now() / 1000,
      ),
    };
  }
  if (pendingMaterial?.rotationType === undefined) return undefined;
  return {
    eventName: 'RotateKey',
    details: {
      rotationType: pendingMaterial.rotationType,
      keyOrigin: record.origin,
      previousKeyMaterialId: record.materials.at(-1)?.materialId,
      currentKeyMaterialId: pendingMaterial.materialId,
    },
    record: {
      ...record,
      materials: [...record.materials, { ...pendingMaterial, createdAt: Date.now() / 1000 }],
      pendingMaterial: undefined,
    },
  };
}
