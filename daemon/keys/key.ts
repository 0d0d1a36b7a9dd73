// A key as requests see it: its record, and the availability of its materials.
import { blobHeader } from '../../proto/formats/ciphertext.js';
import type { KeyState } from '../../proto/generated/messages.js';
import type { CipherKey, ObjectId } from '../hsm/key-store.js';
import { KeyError } from './errors.js';
import type { Namer } from './identifiers.js';
import type { Missing } from './material/inspection.js';
import { type KeyRecord, type MaterialRecord, materialsOf, storeIdOf } from './record.js';
import { earliestExpiry, stateOf } from './states.js';

/** Key material, as requests need it. */
export interface Material {
  readonly materialId: string;
  readonly objectId: ObjectId;
  /** The custom key store that it is in; undefined for the default one. */
  readonly customKeyStoreId: string | undefined;
  /** Only for symmetric encryption keys. */
  readonly symmetric: SymmetricMaterial | undefined;
  /** The part of it that is missing; 'all' if its store is not connected. */
  readonly missing: 'all' | Missing | undefined;
}

/** Material of a symmetric encryption key. */
export interface SymmetricMaterial {
  readonly cipherKey: CipherKey;
  /** Header of its ciphertext blobs. */
  readonly header: Buffer;
}

/** A key. When its record changes the object is replaced, never modified. */
export class Key {
  readonly arn: string;
  readonly #materials: ReadonlyMap<string, Material>;
  readonly #current: Material | undefined;
  /** The state if all materials were available. */
  readonly #recorded: KeyState;
  /** When the first of its materials expires, in epoch seconds; Infinity if none does. */
  readonly #expiresAt: number;

  /** @param missing returns what is missing of a material, by its store and its CKA_ID in hex */
  constructor(
    readonly record: KeyRecord,
    namer: Namer,
    missing: (customKeyStoreId: string | undefined, objectId: string) => Material['missing'] = () =>
      undefined,
  ) {
    this.arn = namer.keyArn(record.keyId);
    this.#recorded = stateOf(record);
    this.#expiresAt = earliestExpiry(record) ?? Infinity;
    const materials = materialsOf(record).map((material) => toMaterial(record, material, missing));
    this.#materials = new Map(materials.map((material) => [material.materialId, material]));
    this.#current = materials[record.materials.length - 1];
  }

  /** The present state, judged by the current material. */
  get state(): KeyState {
    return this.stateWith(this.#current);
  }

  /**
   * Returns the state, judged by one of its materials. Expired material counts as missing even before the scheduler destroys
   * it.
   * @param usesPublic whether the public key of a pair is enough
   */
  stateWith(material: Material | undefined, usesPublic = false): KeyState {
    const state = this.#recorded;
    if (state === 'PendingDeletion' || state === 'PendingReplicaDeletion' || state === 'Creating')
      return state;
    const missing = material?.missing;
    if (missing === 'all' || (missing !== undefined && (missing === 'public') === usesPublic))
      // Imported material can be imported again.
      return this.record.origin === 'EXTERNAL' && !usesPublic ? 'PendingImport' : 'Unavailable';
    const expires =
      this.#expiresAt !== Infinity && (state === 'Enabled' || state === 'Disabled' || state === 'Updating');
    return expires && this.#expiresAt <= Date.now() / 1000 ? 'PendingImport' : state;
  }

  /** Whether the current material is missing in whole or in part. */
  get lacksCurrent(): boolean {
    return this.#current?.missing !== undefined;
  }

  /**
   * The current material, which encrypts or signs.
   * @throws KeyError (invalid-state) if none has been imported yet
   */
  get current(): Material {
    if (this.#current) return this.#current;
    throw new KeyError('invalid-state', `${this.arn} is pending import.`);
  }

  /** Finds a material of the key. */
  material(materialId: string): Material | undefined {
    return this.#materials.get(materialId);
  }
}

function toMaterial(
  record: KeyRecord,
  material: MaterialRecord,
  missing: (customKeyStoreId: string | undefined, objectId: string) => Material['missing'],
): Material {
  const { keyId } = record;
  const { materialId, objectId, suite } = material;
  const id = Buffer.from(objectId, 'hex');
  const symmetric = suite && { cipherKey: { suite, id }, header: blobHeader(suite, keyId, materialId) };
  const customKeyStoreId = storeIdOf(record, material);
  const lack = missing(customKeyStoreId, objectId);
  return { materialId, objectId: id, customKeyStoreId, symmetric, missing: lack };
}
