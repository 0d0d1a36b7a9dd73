// What becomes of a key when a related key in another Region is gone, or takes its place as the primary key.
import type { KeyRecord, RegionsRecord } from '../record.js';
import { hasReplicas, withoutRegion } from './relation.js';

const secondsPerDay = 86_400;

/**
 * Gives a key its place among the related keys. A scheduled deletion goes on: that of a primary key waits for its replicas, and
 * the waiting period of a key that has none any more begins.
 * @param now epoch seconds
 */
export function withRegions(record: KeyRecord, regions: RegionsRecord, now: number): KeyRecord {
  const { deletion, replicaDeletion } = record;
  if (hasReplicas({ regions })) {
    if (!deletion) return { ...record, regions };
    const { windowInDays } = deletion;
    return { ...record, regions, deletion: undefined, replicaDeletion: { windowInDays } };
  }
  if (!replicaDeletion) return { ...record, regions };
  const { windowInDays } = replicaDeletion;
  const begins = { at: now + windowInDays * secondsPerDay, windowInDays, begun: false };
  return { ...record, regions, replicaDeletion: undefined, deletion: begins };
}

/**
 * Returns the record of a primary key without one of its replicas. If the key's deletion waits for the last of them, its
 * waiting period begins.
 * @param now epoch seconds
 */
export function withoutReplica(record: KeyRecord, region: string, now: number): KeyRecord {
  return withRegions(record, withoutRegion(record.regions!, region), now);
}

/**
 * Returns a key's record as it is when nothing is heard of a Region any more: a primary key without its replica there, and a
 * replica of a primary key there as a primary key of its own.
 * @param own the key's Region
 * @param now epoch seconds
 * @returns undefined if no related key is in that Region
 */
export function separated(
  record: KeyRecord,
  region: string,
  own: string,
  now: number,
): KeyRecord | undefined {
  const { regions } = record;
  if (!regions) return undefined;
  if (regions.role === 'PRIMARY') {
    const isRelated = regions.replicaRegions.includes(region) || regions.asked?.region === region;
    if (!isRelated) return undefined;
    const asked = regions.asked?.region === region ? undefined : regions.asked;
    return withoutReplica({ ...record, regions: { ...regions, asked } }, region, now);
  }
  // Without its material a replica key is not the same key: it stays in Creating, and can be abandoned or deleted.
  if (regions.primaryRegion !== region || regions.creationId !== undefined) return undefined;
  return {
    ...record,
    regions: { role: 'PRIMARY', primaryRegion: own, replicaRegions: [], revision: regions.revision },
  };
}
