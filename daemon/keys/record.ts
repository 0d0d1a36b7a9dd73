import { cipherSuites } from '../../proto/formats/ciphertext.js';
import { z } from 'zod';
import type { KeySpec, KeyUsageType, RotationType } from '../../proto/generated/messages.js';

/** A challenge, and an HSM's answer to it for one material (`KeyStore.proveMaterial`). */
export const materialProof = z.strictObject({
  /** The Region of that HSM. */
  from: z.string().max(32),
  /** 32 bytes in base64. */
  nonce: z.string().max(64),
  /** In base64. */
  answer: z.string().max(2_048),
});

/** The details of an imported material, which stays in the record after it is deleted. */
const importedRecord = z.strictObject({
  /** False if it was deleted or has expired; its object is destroyed then, or about to be. */
  present: z.boolean(),
  /** When it expires, in epoch seconds; absent: never. */
  validTo: z.number().optional(),
  description: z.string().optional(),
  /** Whether it was in a worker's memory on its way into the HSM. */
  leftHsm: z.boolean(),
  /** Only in a replica key and a former one: what the HSM of the primary key answered, to recognize the same material. */
  proof: materialProof.optional(),
});

const defaultLocation = 'default';

const materialRecord = z.strictObject({
  /** 64 hex characters. Every ciphertext blob of the material contains it. */
  materialId: z.string().regex(/^[0-9a-f]{64}$/),
  /** CKA_ID of its object in the token, in hex: 16 bytes, or 1 to 64 for adopted material. */
  objectId: z.string().regex(/^([0-9a-f]{2}){1,64}$/),
  /** The cipher suite of its ciphertexts; only for symmetric encryption keys. */
  suite: z.enum(cipherSuites).optional(),
  /** Epoch seconds. */
  createdAt: z.number(),
  imported: importedRecord.optional(),
  /** Only for adopted material: names of attributes in which it falls short. */
  adopted: z.strictObject({ shortfalls: z.array(z.string()) }).optional(),
  /** The store that it is in, if that is not the store of its key: 'default', or the ID of a custom key store. */
  location: z.string().optional(),
  /**
   * The rotation that made it current; absent for a key's first material. Pending material that has it becomes current once
   * the key's replicas have it.
   */
  rotationType: z.custom<RotationType>((value) => typeof value === 'string').optional(),
});

/** Present while a key is pending deletion. */
const deletionRecord = z.strictObject({
  /** When its waiting period ends, in epoch seconds. */
  at: z.number(),
  windowInDays: z.number(),
  /** Whether the destruction of its material has begun, so that the deletion cannot be cancelled. */
  begun: z.boolean(),
});

/** Present while automatic rotation is enabled. */
const rotationRecord = z.strictObject({
  periodInDays: z.number(),
  /** The next rotation, in epoch seconds. */
  nextAt: z.number(),
});

/** What a key knows of the related keys in other Regions. */
const regionsRecord = z.strictObject({
  role: z.enum(['PRIMARY', 'REPLICA']),
  /** The Region of the primary key. */
  primaryRegion: z.string(),
  /** The Regions of the replica keys, in the order in which they were created. */
  replicaRegions: z.array(z.string()),
  /** Version of the properties that related keys share. The primary key raises it; a replica key takes no older ones. */
  revision: z.number().int().nonnegative(),
  /** Only in a replica key, until its material has arrived: the ID that the primary key gave to its creation. */
  creationId: z.string().optional(),
  /**
   * Only in a replica key: the former primary Region, until the new one has said that it is. The change ends if the replica there
   * is deleted first, and then the former one remains the primary Region.
   */
  formerPrimary: z.string().optional(),
  /** Only in the primary key: SHA-256 in hex of the shared properties of `revision`. */
  digest: z.string().optional(),
  /** Only in the primary key: the revision that each replica key has. */
  confirmed: z.record(z.string(), z.number()).optional(),
  /** Only in the primary key: IDs of the imported materials that each replica key has. */
  imported: z.record(z.string(), z.array(z.string())).optional(),
  /** Only in the primary key: a replica key that another Region was asked for, until the answer is recorded. */
  asked: z.strictObject({ region: z.string(), creationId: z.string() }).optional(),
  /** Only in the primary key: the Region whose replica key becomes the primary key. */
  movingTo: z.string().optional(),
});

/** The schema of a key's record, `key/<key ID>`. */
export const keyRecord = z.strictObject({
  keyId: z.string(),
  /** Epoch seconds. */
  createdAt: z.number(),
  description: z.string(),
  enabled: z.boolean(),
  keySpec: z.custom<KeySpec>((value) => typeof value === 'string'),
  keyUsage: z.custom<KeyUsageType>((value) => typeof value === 'string'),
  multiRegion: z.boolean(),
  /** Absent for a multi-Region primary key that never had a replica. */
  regions: regionsRecord.optional(),
  /** Where its material came from. */
  origin: z.enum(['AWS_KMS', 'EXTERNAL', 'AWS_CLOUDHSM']),
  /** AWS: an AWS managed key, created on first use of `alias/aws/<service>`. */
  keyManager: z.enum(['CUSTOMER', 'AWS']),
  /** The custom key store that it is in; absent for the default store. */
  customKeyStoreId: z.string().optional(),
  /** The key policy document, byte for byte as it was given. */
  policy: z.string(),
  /**
   * The unique IDs, by ARN, that the principals of the policy had when it was put: a principal created later with the same
   * name inherits nothing. Absent if the policy names only the account.
   */
  policyBindings: z.record(z.string(), z.string()).optional(),
  tags: z.array(z.strictObject({ tagKey: z.string(), tagValue: z.string() })),
  /** The last one is the current material; empty before the first import. */
  materials: z.array(materialRecord),
  /** Imported material that the next rotation makes current, or generated material that replica keys do not have yet. */
  pendingMaterial: materialRecord.optional(),
  deletion: deletionRecord.optional(),
  /** Present while the deletion of a primary key waits for that of its replicas: then its waiting period begins. */
  replicaDeletion: z.strictObject({ windowInDays: z.number() }).optional(),
  rotation: rotationRecord.optional(),
});

/** The record of a key. */
export type KeyRecord = z.output<typeof keyRecord>;
/** A material in the record of its key. */
export type MaterialRecord = z.output<typeof materialRecord>;
/** A challenge, and an HSM's answer to it for one material. */
export type MaterialProof = z.output<typeof materialProof>;
/** What a key knows of the related keys in other Regions. */
export type RegionsRecord = z.output<typeof regionsRecord>;
/** The details of an imported material. */
export type ImportedRecord = z.output<typeof importedRecord>;

/** Returns the ID of the custom key store that a material is in. @returns undefined for the default store */
export function storeIdOf(
  { customKeyStoreId }: KeyRecord,
  { location }: Pick<MaterialRecord, 'location'>,
): string | undefined {
  if (location === undefined) return customKeyStoreId;
  return location === defaultLocation ? undefined : location;
}

/** Returns the `location` of a material that stays in its store while its key moves to another. */
export function locationOf(customKeyStoreId: string | undefined): string {
  return customKeyStoreId ?? defaultLocation;
}

/** Returns all materials of a key, including the one that is pending rotation. */
export function materialsOf({ materials, pendingMaterial }: KeyRecord): readonly MaterialRecord[] {
  return pendingMaterial ? [...materials, pendingMaterial] : materials;
}

const secondsPerDay = 86_400;

/**
 * Returns when a key's waiting period for deletion and its rotation period began, in epoch seconds. The rotation period of a
 * replica key is that of its primary key, by the clock of another Region.
 */
export function periodBegins({ deletion, rotation, regions }: KeyRecord): number[] {
  return [
    ...(deletion && !deletion.begun ? [deletion.at - deletion.windowInDays * secondsPerDay] : []),
    ...(rotation && regions?.role !== 'REPLICA'
      ? [rotation.nextAt - rotation.periodInDays * secondsPerDay]
      : []),
  ];
}

/**
 * Returns a key's record in which no period began in the future. Periods that did, because the clock was ahead, begin now.
 * @param now epoch seconds
 */
export function withPlausiblePeriods(record: KeyRecord, now: number): KeyRecord {
  const end = (at: number, days: number) => Math.min(at, now + days * secondsPerDay);
  const { deletion, rotation, regions } = record;
  const isOwn = regions?.role !== 'REPLICA';
  return {
    ...record,
    deletion: deletion && { ...deletion, at: end(deletion.at, deletion.windowInDays) },
    rotation:
      rotation && isOwn ? { ...rotation, nextAt: end(rotation.nextAt, rotation.periodInDays) } : rotation,
  };
}

/** The schema of an alias's record, `alias/<name>`. */
export const aliasRecord = z.strictObject({
  targetKeyId: z.string(),
  /** Epoch seconds. */
  createdAt: z.number(),
  updatedAt: z.number(),
});

/** The record of an alias. */
export type AliasRecord = z.output<typeof aliasRecord>;
