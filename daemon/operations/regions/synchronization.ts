// What a primary Region tells its replica keys: SynchronizeKey.
import { randomBytes } from 'node:crypto';
import { exceptions } from '../../../proto/errors.js';
import {
  type ArrivedMaterial,
  droppedMaterial,
  finishDestruction,
  intendDestruction,
  type Key,
  type KeyRecord,
  materialsOf,
  putKey,
  receiveMaterial,
  type SharedProperties,
  withSharedProperties,
} from '../../keys/index.js';
import type { PeerRequest } from '../../regions/messages.js';
import { follower } from './follower.js';
import type { PeerContext } from './peer-context.js';

type Synchronization = PeerRequest<'SynchronizeKey'>;

/**
 * Gives a replica key the properties of its primary key, with the material that it lacks. If this Region is the new primary
 * Region, the key becomes the primary key.
 * @returns the materials that are missing; none once the properties are taken
 * @throws KeyError, HsmError
 */
export async function synchronizeKey(context: PeerContext, request: Synchronization) {
  const { from, services, recorder, event } = context;
  const { keyring, records, stores } = services;
  const { properties, proofs } = request;
  const key = keyring.existing(properties.keyId);
  checkLives(key, follower(key, from));
  const wants = lackingMaterials(key, properties);
  const sent = request.materials.filter(({ materialId }) => wants.includes(materialId));
  if (sent.length < wants.length) return { wants };
  // More would leave objects in the token that belong to no key.
  if (sent.length > wants.length || new Set(wants).size < wants.length)
    throw new exceptions.ValidationException('Each key material is sent once.');
  recorder.checkAvailable();
  const arrived: ArrivedMaterial[] = [];
  const undo = async () => {
    for (const { pending } of arrived) await pending.undo();
  };
  let isCommitting = false;
  try {
    for (const material of sent) arrived.push(await receive(context, properties, material));
    const materials = new Map(arrived.map(({ material }) => [material.materialId, material]));
    let destroyed: string[] = [];
    const change = (now: Key) => {
      const record = follower(now, from);
      checkLives(now, record);
      const placeholder = () => randomBytes(16).toString('hex');
      const arrivals = { materials, proofs, placeholder, from };
      const next = withSharedProperties(record, properties, services.replication.peers.own, arrivals);
      destroyed = replaced(record, next, properties);
      return next;
    };
    if (arrived.length === 0 && isSame(change(key), key.record)) return { wants: [] };
    const changes = () => [
      putKey(change(keyring.existing(properties.keyId))),
      ...arrived.map(({ pending }) => pending.commit),
      ...destroyed.map((objectId) => intendDestruction(objectId)),
    ];
    const details = {
      keyId: properties.keyId,
      primaryRegion: properties.primaryRegion,
      replicaRegions: properties.replicaRegions,
      revision: properties.revision,
      keyMaterialIds: sent.length > 0 ? sent.map(({ materialId }) => materialId) : undefined,
    };
    isCommitting = true;
    await recorder.commit({ changes, undo }, event('SynchronizeMultiRegionKey', key, details));
    // Whatever fails here is done later: the intents stay.
    for (const objectId of destroyed)
      await finishDestruction(records, stores.of(key), objectId).catch(() => undefined);
    return { wants: [] };
  } catch (error) {
    if (!isCommitting) await undo();
    throw error;
  }
}

/**
 * Checks that the deletion of a key has not begun: material that arrives now would be left in the token.
 * @throws KMSInvalidStateException
 */
function checkLives({ arn }: Key, { deletion }: KeyRecord): void {
  if (deletion?.begun) throw new exceptions.KMSInvalidStateException(`${arn} is being deleted.`);
}

/** The generated materials that the HSM of a replica key lacks. */
function lackingMaterials(key: Key, { origin, materials, pendingMaterial }: SharedProperties): string[] {
  if (origin === 'EXTERNAL') return [];
  const all = pendingMaterial ? [...materials, pendingMaterial] : materials;
  return all.flatMap(({ materialId }) => {
    const own = key.material(materialId);
    return own && own.missing === undefined ? [] : [materialId];
  });
}

async function receive(
  { from, services: { records, stores, replication } }: PeerContext,
  { keyId, keySpec, keyUsage }: SharedProperties,
  { materialId, generation, ...sent }: Synchronization['materials'][number],
): Promise<ArrivedMaterial> {
  const { peers } = replication;
  const link = peers.linkOf(from, generation);
  if (!link) {
    throw new exceptions.KMSInvalidStateException(
      `This Region has no generation ${generation} of the link with ${from}: complete the ceremony on both sides.`,
    );
  }
  const { linkId, signingKey } = link;
  const statement = { link: linkId, generation, from, to: peers.own, keyId, materialId, keySpec, keyUsage };
  return receiveMaterial(records, stores.main, { keyId, keySpec, keyUsage }, sent, signingKey, statement);
}

/** The objects, by CKA_ID in hex, that a key no longer has. */
function replaced(before: KeyRecord, after: KeyRecord, properties: SharedProperties): string[] {
  const kept = new Set(materialsOf(after).map(({ objectId }) => objectId));
  const dropped = droppedMaterial(before, properties);
  return materialsOf(before)
    .filter(
      (material) => !kept.has(material.objectId) && (material === dropped || material.imported === undefined),
    )
    .map(({ objectId }) => objectId);
}

function isSame(one: KeyRecord, other: KeyRecord): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
