import { exceptions } from '../../../proto/errors.js';
import type { Key, KeyRecord } from '../../keys/index.js';

/**
 * Returns the record of a key that takes its properties from a Region. The former primary key is one as soon as the new
 * primary Region says so, even before it has recorded the change itself.
 * @throws KMSInvalidStateException for any other key
 */
export function follower({ record, arn }: Key, from: string): KeyRecord {
  const { regions } = record;
  if (regions?.role === 'REPLICA' && (regions.primaryRegion === from || regions.formerPrimary === from))
    return record;
  if (regions?.role === 'PRIMARY' && regions.movingTo === from) {
    const { replicaRegions, revision } = regions;
    return { ...record, regions: { role: 'REPLICA', primaryRegion: from, replicaRegions, revision } };
  }
  throw new exceptions.KMSInvalidStateException(
    `${arn} is no replica of a key in ${from}: its primary Region is ${regions?.primaryRegion ?? 'its own'}.`,
  );
}
