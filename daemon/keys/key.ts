// A key as requests see it: its record, and which of its materials can be used.
import { blobHeader } from '../../proto/formats/ciphertext.js';
import type { KeyState } from '../../proto/generated/messages.js';
import type { CipherKey, ObjectId } from '../hsm/key-store.js';
import { KeyError } from './errors.js';
import type { Namer } from './identifiers.js';
import type { Missing } from './material/inspection.js';
import { type KeyRecord, type MaterialRecord, materialsOf, storeIdOf } from './record.js';
import { earliestExpiry, stateOf } from './states.js';

/** Key material as the way of a request needs it. */
export interface Material {
  readonly materialId: string;
  readonly objectId: ObjectId;
  /** The custom key store in whose token it lives; none: the default one. */
  readonly customKeyStoreId: string | undefined;
  /** Of symmetric keys. */
  readonly symmetric: SymmetricMaterial | undefined;
  /** What cannot be used of it: all, where its store is not connected. */
  readonly missing: 'all' | Missing | undefined;
}

export interface SymmetricMaterial {
  readonly cipherKey: CipherKey;
  /** Of every blob that it makes. */
  readonly header: Buffer;
}

/** A key with what follows from its record. Replaced, never changed, when the record changes. */
export class Key {
  readonly arn: string;
  readonly #materials: ReadonlyMap<string, Material>;
  readonly #current: Material | undefined;
  /** As if all of its materials could be used. */
  readonly #recorded: KeyState;
  /** When the first of its materials expires, in epoch seconds. */
  readonly #expiresAt: number;

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

  /** As it is now, as far as the material goes with which it encrypts, or does whatever else it is for. */
  get state(): KeyState {
    return this.stateWith(this.#current);
  }

  /**
   * The state as far as one of its materials goes. Material that has expired does not count, though the scheduler may not
   * have come to it yet.
   * @param usesPublic whether the public key of a pair is enough
   */
  stateWith(material: Material | undefined, usesPublic = false): KeyState {
    const state = this.#recorded;
    if (state === 'PendingDeletion') return state;
    const missing = material?.missing;
    if (missing === 'all' || (missing !== undefined && (missing === 'public') === usesPublic))
      // What was imported can be imported again.
      return this.record.origin === 'EXTERNAL' && !usesPublic ? 'PendingImport' : 'Unavailable';
    const expires = this.#expiresAt !== Infinity && (state === 'Enabled' || state === 'Disabled');
    return expires && this.#expiresAt <= Date.now() / 1000 ? 'PendingImport' : state;
  }

  /** Whether anything is missing of the material with which it encrypts, or does whatever else it is for. */
  get lacksCurrent(): boolean {
    return this.#current?.missing !== undefined;
  }

  /**
   * The material that encrypts, or does whatever else the key is for.
   * @throws KeyError (invalid-state) where none was imported yet
   */
  get current(): Material {
    if (this.#current) return this.#current;
    throw new KeyError('invalid-state', `${this.arn} is pending import.`);
  }

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
