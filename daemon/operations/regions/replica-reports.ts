// What replica Regions tell the primary Region: ReplicaMaterials, ReplicaKeyDeleted.
import { materialsOf, putKey, withoutReplica } from '../../keys/index.js';
import type { PeerRequest } from '../../regions/messages.js';
import type { PeerContext } from './peer-context.js';

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
  const changes = () =>
    hasReplica() ? [putKey(withoutReplica(keyring.existing(keyId).record, from, Date.now() / 1000))] : [];
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
    // What is not of this key would only make its record grow.
    const known = materialsOf(record).flatMap(({ materialId }) =>
      present.includes(materialId) ? [materialId] : [],
    );
    if (regions.imported?.[from]?.join() === known.join()) return [];
    return [putKey({ ...record, regions: { ...regions, imported: { ...regions.imported, [from]: known } } })];
  });
  return {};
}
