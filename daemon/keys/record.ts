import { cipherSuites } from '../../proto/formats/ciphertext.js';
import { z } from 'zod';
import type { KeySpec, KeyUsageType, RotationType } from '../../proto/generated/messages.js';

/** Imported material. The ID stays after the material is deleted. */
const importedRecord = z.strictObject({
  /** false: it was deleted or has expired, and its object is gone or going. */
  present: z.boolean(),
  /** When it expires, in epoch seconds; absent: never. */
  validTo: z.number().optional(),
  description: z.string().optional(),
  /** Whether it was in a worker's memory on its way into the HSM. */
  leftHsm: z.boolean(),
});

const defaultLocation = 'default';

const materialRecord = z.strictObject({
  /** 64 hex characters; in every blob that the material makes. */
  materialId: z.string().regex(/^[0-9a-f]{64}$/),
  /** CKA_ID of its object in the token, in hex: 16 bytes, or of adopted material 1 to 64. */
  objectId: z.string().regex(/^([0-9a-f]{2}){1,64}$/),
  /** Of symmetric keys: how its ciphertexts are made. */
  suite: z.enum(cipherSuites).optional(),
  /** Epoch seconds. */
  createdAt: z.number(),
  imported: importedRecord.optional(),
  /** Of adopted material: in what it falls short. */
  adopted: z.strictObject({ shortfalls: z.array(z.string()) }).optional(),
  /** Where it lives, where that is another store than its key's: 'default', or the ID of a custom key store. */
  location: z.string().optional(),
  /** How it became current; a key's first material has none. */
  rotationType: z.custom<RotationType>((value) => typeof value === 'string').optional(),
});

/** There while a key is pending deletion. */
const deletionRecord = z.strictObject({
  /** When its waiting period ends, in epoch seconds. */
  at: z.number(),
  windowInDays: z.number(),
  /** The intent: its material is being destroyed, so there is no cancelling any more. */
  begun: z.boolean(),
});

/** There while automatic rotation is on. */
const rotationRecord = z.strictObject({
  periodInDays: z.number(),
  /** Epoch seconds. */
  nextAt: z.number(),
});

/** The record of a key, `key/<key ID>`. */
export const keyRecord = z.strictObject({
  keyId: z.string(),
  /** Epoch seconds. */
  createdAt: z.number(),
  description: z.string(),
  enabled: z.boolean(),
  keySpec: z.custom<KeySpec>((value) => typeof value === 'string'),
  keyUsage: z.custom<KeyUsageType>((value) => typeof value === 'string'),
  multiRegion: z.boolean(),
  /** Where its material came from. */
  origin: z.enum(['AWS_KMS', 'EXTERNAL', 'AWS_CLOUDHSM']),
  /** AWS: made by Keyhold for a service, on first use of `alias/aws/<service>`. */
  keyManager: z.enum(['CUSTOMER', 'AWS']),
  /** Where it lives in another token than the default one. */
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
  /** Imported, and made current by the next rotation. */
  pendingMaterial: materialRecord.optional(),
  deletion: deletionRecord.optional(),
  rotation: rotationRecord.optional(),
});

/** The record of a key. */
export type KeyRecord = z.output<typeof keyRecord>;
/** A material in the record of its key. */
export type MaterialRecord = z.output<typeof materialRecord>;
/** The details of an imported material. */
export type ImportedRecord = z.output<typeof importedRecord>;

/** The custom key store in whose token a material of a key lives; undefined: the default one. */
export function storeIdOf(
  { customKeyStoreId }: KeyRecord,
  { location }: Pick<MaterialRecord, 'location'>,
): string | undefined {
  if (location === undefined) return customKeyStoreId;
  return location === defaultLocation ? undefined : location;
}

/** {@link storeIdOf} for the record of a material whose key moves. */
export function locationOf(customKeyStoreId: string | undefined): string {
  return customKeyStoreId ?? defaultLocation;
}

/** All materials of a key, with the one that waits for its rotation. */
export function materialsOf({ materials, pendingMaterial }: KeyRecord): readonly MaterialRecord[] {
  return pendingMaterial ? [...materials, pendingMaterial] : materials;
}

const secondsPerDay = 86_400;

/** When the periods of a key began that end at a time of the wall clock, in epoch seconds. */
export function periodBegins({ deletion, rotation }: KeyRecord): number[] {
  return [
    ...(deletion && !deletion.begun ? [deletion.at - deletion.windowInDays * secondsPerDay] : []),
    ...(rotation ? [rotation.nextAt - rotation.periodInDays * secondsPerDay] : []),
  ];
}

/**
 * A key's record with the periods that began in the future, by a clock that was ahead then, begun now.
 * @param now epoch seconds
 */
export function withPlausiblePeriods(record: KeyRecord, now: number): KeyRecord {
  const end = (at: number, days: number) => Math.min(at, now + days * secondsPerDay);
  const { deletion, rotation } = record;
  return {
    ...record,
    deletion: deletion && { ...deletion, at: end(deletion.at, deletion.windowInDays) },
    rotation: rotation && { ...rotation, nextAt: end(rotation.nextAt, rotation.periodInDays) },
  };
}

/** The record of an alias, `alias/<name>`. */
export const aliasRecord = z.strictObject({
  targetKeyId: z.string(),
  /** Epoch seconds. */
  createdAt: z.number(),
  updatedAt: z.number(),
});

/** The record of an alias. */
export type AliasRecord = z.output<typeof aliasRecord>;
