// The properties that related multi-Region keys share (AWS KMS Developer Guide, "Multi-Region keys": key ID, key material,
// key material origin, key spec, key usage, automatic rotation), as the primary key tells them to its replicas.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { KeySpec, KeyUsageType, RotationType } from '../../../proto/generated/messages.js';
import { KeyError } from '../errors.js';
import { type KeyRecord, type MaterialProof, type MaterialRecord, materialsOf } from '../record.js';
import { keySpecs } from '../specs/table.js';
import { isReplica, regionsOf } from './relation.js';
import { withRegions } from './separation.js';
import { suiteOf } from './transfer.js';

const regionName = z.string().regex(/^[a-z0-9-]{1,32}$/);

const rotationType = z.custom<RotationType>((value) => value === 'AUTOMATIC' || value === 'ON_DEMAND');

/** Epoch seconds, up to the year 9999. */
const time = z.number().min(0).max(253_402_300_799);

const sharedMaterial = z.strictObject({
  materialId: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: time,
  rotationType: rotationType.optional(),
});

const keyUsages: ReadonlySet<string> = new Set(
  Object.values(keySpecs).flatMap(({ usages }) => Object.keys(usages)),
);

/** The schema of shared properties. */
export const sharedProperties = z.strictObject({
  keyId: z.string().regex(/^mrk-[0-9a-f]{32}$/),
  /** The bound is out of reach, and leaves room to count on. */
  revision: z.number().int().nonnegative().max(1e12),
  primaryRegion: regionName,
  replicaRegions: z.array(regionName).max(64),
  keySpec: z.custom<KeySpec>((value) => typeof value === 'string' && Object.hasOwn(keySpecs, value)),
  keyUsage: z.custom<KeyUsageType>((value) => typeof value === 'string' && keyUsages.has(value)),
  origin: z.enum(['AWS_KMS', 'EXTERNAL']),
  /** The last one is the current material. */
  materials: z.array(sharedMaterial).max(1_000),
  pendingMaterial: sharedMaterial.optional(),
  /** A Region that counts with a shorter period would let this one make keys without end. */
  rotation: z.strictObject({ periodInDays: z.number().min(90).max(2_560), nextAt: time }).optional(),
});

/** The properties that related keys share. */
export type SharedProperties = z.output<typeof sharedProperties>;
type SharedMaterial = z.output<typeof sharedMaterial>;

/**
 * Returns the properties that a primary key shares with its replicas. If its Region is about to change, they are those after
 * the change.
 * @param region its own Region
 */
export function sharedPropertiesOf(record: KeyRecord, region: string): SharedProperties {
  const { keyId, keySpec, keyUsage, origin, materials, pendingMaterial, rotation } = record;
  const { revision, primaryRegion, replicaRegions, movingTo } = regionsOf(record, region);
  return {
    keyId,
    revision,
    ...(movingTo === undefined
      ? { primaryRegion, replicaRegions }
      : swapped(primaryRegion, replicaRegions, movingTo)),
    keySpec,
    keyUsage,
    origin: origin === 'EXTERNAL' ? 'EXTERNAL' : 'AWS_KMS',
    materials: materials.map(sharedOf),
    pendingMaterial: pendingMaterial && sharedOf(pendingMaterial),
    rotation,
  };
}

/** The former primary Region takes the place of the new one among the replicas. */
function swapped(primaryRegion: string, replicaRegions: readonly string[], movingTo: string) {
  return {
    primaryRegion: movingTo,
    replicaRegions: replicaRegions.map((each) => (each === movingTo ? primaryRegion : each)),
  };
}

function sharedOf({ materialId, createdAt, rotationType }: MaterialRecord): SharedMaterial {
  return { materialId, createdAt, rotationType };
}

/** Hashes shared properties without their revision. @returns SHA-256 in hex */
export function digestOf(properties: SharedProperties): string {
  return createHash('sha256')
    .update(JSON.stringify({ ...properties, revision: 0 }))
    .digest('hex');
}

/** What a replica key needs besides the properties. */
export interface Arrivals {
  /** Material that arrived, by its ID. */
  readonly materials: ReadonlyMap<string, Pick<MaterialRecord, 'objectId' | 'suite'>>;
  /** Proofs of imported material, by its ID. */
  readonly proofs: Readonly<Record<string, MaterialProof>>;
  /** Makes the CKA_ID, in hex, of material that was not imported here yet. */
  readonly placeholder: () => string;
  /** The Region that tells the properties. */
  readonly from: string;
}

/**
 * Returns a replica key's record with the shared properties of its primary key.
 * @param region its own Region. If it is the primary Region of the properties, the key becomes the primary key
 * @throws KeyError (invalid-state) if the properties are older than those that the replica has, or lack material of it
 */
export function withSharedProperties(
  record: KeyRecord,
  properties: SharedProperties,
  region: string,
  arrivals: Arrivals,
): KeyRecord {
  checkSucceeds(record, properties);
  const { revision, primaryRegion, replicaRegions, rotation, materials, pendingMaterial } = properties;
  const { from } = arrivals;
  const own = new Map(materialsOf(record).map((each) => [each.materialId, each]));
  const merged = (shared: SharedMaterial) =>
    mergedMaterial(record, shared, own.get(shared.materialId), arrivals);
  const role = primaryRegion === region ? 'PRIMARY' : 'REPLICA';
  const isMoving = role === 'REPLICA' && primaryRegion !== from;
  const former = isMoving ? { formerPrimary: from } : {};
  if (role === 'PRIMARY' && record.deletion?.begun)
    throw new KeyError(
      'invalid-state',
      `${record.keyId} is being deleted in ${region}: it cannot become the primary key.`,
    );
  const next: KeyRecord = {
    ...record,
    materials: materials.map(merged),
    pendingMaterial: pendingMaterial && merged(pendingMaterial),
    rotation,
  };
  return withRegions(next, { role, primaryRegion, replicaRegions, revision, ...former }, Date.now() / 1000);
}

function mergedMaterial(
  { origin, keySpec }: KeyRecord,
  shared: SharedMaterial,
  own: MaterialRecord | undefined,
  { materials, proofs, placeholder }: Arrivals,
): MaterialRecord {
  const arrived = materials.get(shared.materialId);
  const { materialId, createdAt, rotationType } = shared;
  const facts = { materialId, createdAt, rotationType };
  if (origin === 'AWS_KMS') {
    const place = arrived ?? own;
    if (!place) throw new KeyError('invalid-state', `The key material ${materialId} has not arrived yet.`);
    return { ...own, ...facts, objectId: place.objectId, suite: place.suite };
  }
  const proof = proofs[materialId] ?? own?.imported?.proof;
  const imported = own?.imported ?? { present: false, leftHsm: false };
  return {
    ...facts,
    objectId: own?.objectId ?? placeholder(),
    suite: suiteOf(keySpec),
    imported: { ...imported, proof },
  };
}

/** Material that a replica key has and the properties do not; only imported material that is pending rotation can be. */
export function droppedMaterial(record: KeyRecord, properties: SharedProperties): MaterialRecord | undefined {
  const { pendingMaterial } = record;
  if (!pendingMaterial) return undefined;
  const known = [
    ...properties.materials,
    ...(properties.pendingMaterial ? [properties.pendingMaterial] : []),
  ];
  return known.some(({ materialId }) => materialId === pendingMaterial.materialId)
    ? undefined
    : pendingMaterial;
}

/** @throws KeyError (invalid-state) */
function checkSucceeds(record: KeyRecord, properties: SharedProperties): void {
  const { revision = 0 } = record.regions ?? {};
  const isSame =
    record.keySpec === properties.keySpec &&
    record.keyUsage === properties.keyUsage &&
    record.origin === properties.origin;
  const keeps = record.materials.every(
    ({ materialId }, index) => properties.materials[index]?.materialId === materialId,
  );
  const dropped = droppedMaterial(record, properties);
  if (
    isSame &&
    isReplica(record) &&
    properties.revision >= revision &&
    keeps &&
    (!dropped || dropped.imported)
  )
    return;
  throw new KeyError(
    'invalid-state',
    `The properties of ${record.keyId} from its primary Region (revision ${properties.revision}) do not succeed those of ` +
      `its replica (revision ${revision}). An older copy of the primary Region's store may be in use.`,
  );
}
