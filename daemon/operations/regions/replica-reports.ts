// What replica Regions tell the primary Region: ReplicaMaterials, ReplicaKeyDeleted.
import { type KeyRecord, putKey } from '../../keys/index.js';
import type { PeerRequest } from '../../regions/messages.js';
import type { PeerContext } from './peer-context.js';

const secondsPerDay = 86_400;

/**
 * Takes a deleted replica key from its primary key. If that waits for the last one, its own waiting period begins.
 * @throws StoreError, AuditError
 */
export async function replicaKeyDeleted(
  { from, services, recorder, event }: PeerContext,
  { keyId }: PeerRequest<'ReplicaKeyDeleted'>,
) {
  const { keyring } = services;
  const key = keyring.key(keyId);
  const hasReplica = () => {
    const { regions } = keyring.key(keyId)?.record ?? {};
    return regions?.role === 'PRIMARY' && regions.replicaRegions.includes(from);
  };
  if (!key || !hasReplica()) return {};
  const changes = () => (hasReplica() ? [putKey(withoutReplica(keyring.existing(keyId).record, from))] : []);
  await recorder.commit(
    { changes },
    event('SynchronizeMultiRegionKey', key, { keyId, deletedReplicaRegion: from }),
  );
  return {};
}

/** Notes which imported materials a replica key has: the primary key rotates to no other. @throws StoreError */
export async function replicaMaterials(
  { from, services: { keyring, records } }: PeerContext,
  { keyId, present }: PeerRequest<'ReplicaMaterials'>,
) {
  await records.commit(() => {
    const record = keyring.key(keyId)?.record;
    const { regions } = record ?? {};
    if (!record || regions?.role !== 'PRIMARY' || !regions.replicaRegions.includes(from)) return [];
    return [
      putKey({ ...record, regions: { ...regions, imported: { ...regions.imported, [from]: present } } }),
    ];
  });
  return {};
}

function withoutReplica(record: KeyRecord, region: string): KeyRecord {
  const { replicaRegions, confirmed = {}, movingTo, ...rest } = record.regions!;
  const others = Object.fromEntries(Object.entries(confirmed).filter(([name]) => name !== region));
  const left = replicaRegions.filter((each) => each !== region);
  const moving = movingTo === region ? {} : { movingTo };
  const regions = { ...rest, ...moving, replicaRegions: left, confirmed: others };
  const { replicaDeletion } = record;
  if (!replicaDeletion || left.length > 0) return { ...record, regions };
  const { windowInDays } = replicaDeletion;
  const at = Date.now() / 1000 + windowInDays * secondsPerDay;
  return { ...record, regions, replicaDeletion: undefined, deletion: { at, windowInDays, begun: false } };
}
