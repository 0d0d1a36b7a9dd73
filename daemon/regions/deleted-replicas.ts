// Deleted replica keys of this Region that their primary Region does not know of yet.
import { z } from 'zod';
import { isReplica, type KeyRecord } from '../keys/index.js';
import type { RecordChange } from '../store/records/records.js';

/** Prefix of the records, which ends with the key ID. */
export const deletedReplicaPrefix = 'deleted-replica/';

/** The schema of a record. */
export const deletedReplicaRecord = z.strictObject({ primaryRegion: z.string() });

/** Returns the changes that note the deletion of a key, if it is a replica. */
export function noteDeletedReplica(record: KeyRecord): readonly RecordChange[] {
  if (!isReplica(record)) return [];
  const { primaryRegion } = record.regions!;
  return [{ key: deletedReplicaPrefix + record.keyId, value: JSON.stringify({ primaryRegion }) }];
}
