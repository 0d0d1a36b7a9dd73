// The effect of imports, deletions and expiries on a key's record.
import { cipherSuites } from '../../../proto/formats/ciphertext.js';
import { KeyError } from '../errors.js';
import type { ImportType } from '../../../proto/generated/messages.js';
import type { KeyStore, ObjectId } from '../../hsm/key-store.js';
import type { Key } from '../key.js';
import { isReplica } from '../multi-region/relation.js';
import type { ImportedRecord, KeyRecord, MaterialRecord } from '../record.js';
import { materialsOf } from '../record.js';
import { hmacSha256, keySpecs } from '../specs/table.js';

/** Prefix of the authenticated message. */
const domain = 'keyhold material id, version 1';

/**
 * Computes the ID of imported material. It reveals nothing about the material, and the same material has different IDs in
 * different keys.
 * @param macKey an HMAC key in the HSM
 * @param checkValue check value of the material, computed by the HSM
 */
export async function materialIdOf(
  store: KeyStore,
  macKey: ObjectId,
  { keyId, keySpec }: KeyRecord,
  checkValue: Buffer,
): Promise<string> {
  const message = Buffer.concat([Buffer.from([domain, keyId, keySpec, ''].join('\0')), checkValue]);
  return (await store.sign(macKey, hmacSha256, 'none', message)).toString('hex');
}

/** An import of key material. */
export interface Import {
  /** ARN of the key. */
  readonly arn: string;
  readonly materialId: string;
  readonly objectId: string;
  /** Time of the import, in epoch seconds. */
  readonly at: number;
  /** When the material expires, in epoch seconds; undefined if never. */
  readonly validTo: number | undefined;
  /** Whether the material was in a worker's memory on its way into the HSM. */
  readonly leftHsm: boolean;
  readonly importType?: ImportType | undefined;
  /** The ID that the caller expects the material to have. */
  readonly expectedId?: string | undefined;
  readonly description?: string | undefined;
}

/** The effect of an import. */
export interface Imported {
  readonly record: KeyRecord;
  /** Whether the key uses the imported object; false if the same material is present already. */
  readonly takesObject: boolean;
  /** CKA_ID, hex, of the incomplete object that the imported one replaces. */
  readonly replaced?: string | undefined;
}

/**
 * Returns a key's record after an import.
 * @param isMissing whether a material, by its ID, is missing in the token in whole or in part
 * @throws KeyError (incorrect-key-material, invalid-state)
 */
export function withImport(
  record: KeyRecord,
  imported: Import,
  isMissing: (materialId: string) => boolean = () => false,
): Imported {
  const { materials, pendingMaterial } = record;
  const { materialId, importType = materials.length === 0 ? 'NEW_KEY_MATERIAL' : 'EXISTING_KEY_MATERIAL' } =
    imported;
  const known = materialsOf(record).find((material) => material.materialId === materialId);
  if (importType === 'NEW_KEY_MATERIAL') {
    if (known) {
      throw new KeyError(
        'incorrect-key-material',
        `Key material (id: ${materialId}) being imported as NEW_KEY_MATERIAL is already associated with KMS key ${imported.arn}.`,
      );
    }
    const made = madeOf(record, imported);
    if (materials.length === 0)
      return { record: { ...record, materials: [made], enabled: true }, takesObject: true };
    if (pendingMaterial) {
      throw new KeyError(
        'invalid-state',
        `New key material (id: ${materialId}) cannot be imported into KMS key ${imported.arn}, because another key ` +
          `material (id: ${pendingMaterial.materialId}) is pending rotation.`,
      );
    }
    return { record: { ...record, pendingMaterial: made }, takesObject: true };
  }
  const { expectedId = known?.materialId ?? materials.at(-1)?.materialId } = imported;
  if (!known || expectedId !== materialId) {
    throw new KeyError(
      'incorrect-key-material',
      `Imported key material does not have the expected identifier (${expectedId ?? 'none was imported before'}).`,
    );
  }
  const lost = known.imported!.present && isMissing(materialId);
  const renewed = renew(known, imported, lost);
  const changed = change(record, renewed);
  const completed = lacksMaterial(record) && !lacksMaterial(changed);
  return {
    record: completed ? { ...changed, enabled: true } : changed,
    takesObject: renewed.objectId === imported.objectId,
    replaced: lost ? known.objectId : undefined,
  };
}

/** Returns a key's record after the deletion of a material. One that is pending rotation is removed entirely. */
export function withoutMaterial(record: KeyRecord, materialId: string): KeyRecord {
  // That of a replica key stays expected as long as its primary key has it.
  if (record.pendingMaterial?.materialId === materialId && !isReplica(record))
    return { ...record, pendingMaterial: undefined };
  const material = materialsOf(record).find((each) => each.materialId === materialId)!;
  const { description, leftHsm, proof } = material.imported!;
  return change(record, { ...material, imported: { description, leftHsm, proof, present: false } });
}

/** Finds expired imported material. @param now epoch seconds */
export function expiredMaterial(record: KeyRecord, now: number): MaterialRecord | undefined {
  return materialsOf(record).find(
    ({ imported }) => imported?.validTo !== undefined && imported.validTo <= now,
  );
}

/**
 * Returns a key's record with the material that is pending rotation made current.
 * @param at epoch seconds
 * @throws KeyError (invalid-state) if no imported material is pending, or it has expired
 */
export function withRotation({ record, arn }: Pick<Key, 'record' | 'arn'>, at: number): KeyRecord {
  const { materials, pendingMaterial } = record;
  const { validTo = Infinity } = pendingMaterial?.imported ?? {};
  if (!pendingMaterial || validTo <= at) {
    throw new KeyError('invalid-state', `No available key material pending rotation for the key: ${arn}.`);
  }
  const rotated: MaterialRecord = { ...pendingMaterial, createdAt: at, rotationType: 'ON_DEMAND' };
  return { ...record, materials: [...materials, rotated], pendingMaterial: undefined };
}

function madeOf(
  record: KeyRecord,
  { materialId, objectId, at, validTo, leftHsm, description }: Import,
): MaterialRecord {
  const imported: ImportedRecord = { present: true, validTo, description, leftHsm };
  return {
    materialId,
    objectId,
    suite: keySpecs[record.keySpec].suites && cipherSuites.AES_256_GCM,
    createdAt: at,
    imported,
  };
}

/** Material that is present keeps its object, so that requests in flight do not fail; only its expiry changes. */
function renew(
  known: MaterialRecord,
  { objectId, validTo, leftHsm, description }: Import,
  isLost: boolean,
): MaterialRecord {
  const before = known.imported!;
  const imported: ImportedRecord = {
    present: true,
    validTo,
    description: description ?? before.description,
    leftHsm: before.leftHsm || leftHsm,
    proof: before.proof,
  };
  return { ...known, objectId: before.present && !isLost ? known.objectId : objectId, imported };
}

function change(record: KeyRecord, changed: MaterialRecord): KeyRecord {
  if (record.pendingMaterial?.materialId === changed.materialId)
    return { ...record, pendingMaterial: changed };
  const materials = record.materials.map((each) => (each.materialId === changed.materialId ? changed : each));
  return { ...record, materials };
}

function lacksMaterial({ materials }: KeyRecord): boolean {
  return materials.some(({ imported }) => imported?.present === false);
}
