// Creates all key material: for new keys, rotations, migrations, imports, seeds and adoptions.
import type { RotationType } from '../../../proto/generated/messages.js';
import { KeyError } from '../errors.js';
import type { ImportedMaterial, ObjectId } from '../../hsm/key-store.js';
import type { RecordChange, Records } from '../../store/records/records.js';
import { finishDestruction, intendDestruction } from './destructions.js';
import { type Import, materialIdOf, withImport } from '../import/imported-material.js';
import { generateMaterial, importMaterial, type PendingMaterial } from './intents.js';
import type { KeyStores } from '../stores/key-stores.js';
import { type Keyring, putKey } from '../keyring.js';
import type { Key } from '../key.js';
import { checkMechanisms } from '../specs/mechanisms.js';
import { type KeyRecord, type MaterialRecord, materialsOf } from '../record.js';
import { checkNoReplica, hasReplicas, isReplica } from '../multi-region/relation.js';
import { checkTravels, isProved } from '../multi-region/transfer.js';
import { isRotatable, rotationFrom } from './rotation.js';
import { usageIn } from '../specs/table.js';

/** Material that exists in the token, and belongs to a key once the batch with `commit` is committed. */
export interface NewMaterial extends Pick<PendingMaterial, 'commit' | 'undo'> {
  readonly material: MaterialRecord;
}

/** New material for an existing key, and the change that adds it to the key. */
export interface PreparedMaterial {
  readonly materialId: string;
  /** Evaluated when the change is committed, against the records as they are then. */
  readonly changes: () => readonly RecordChange[];
  /** Destroys the material if the change was not committed. */
  readonly undo: () => Promise<void>;
}

/** Imports material with this CKA_ID and CKA_LABEL, by importWrapped or importPlaintext of a key store. */
export type PerformImport = (id: ObjectId, label: string) => Promise<ImportedMaterial>;

/** The facts about imported material that the caller supplies. */
export type ImportFacts = Pick<Import, 'validTo' | 'importType' | 'expectedId' | 'description'>;

/** The facts that the import itself determines. */
type ImportedIdentity = Pick<Import, 'arn' | 'materialId' | 'objectId' | 'leftHsm'>;

/** What the generation of material needs to know of its key. */
type GeneratedKey = Pick<KeyRecord, 'keyId' | 'keySpec' | 'keyUsage' | 'multiRegion'>;

const labelOf = (keyId: string) => `keyhold/${keyId}`;

/** Creates key material. */
export class MaterialFactory {
  /** @param materialIds the HMAC key of the HSM that computes the IDs of imported materials */
  constructor(
    private readonly keyring: Keyring,
    private readonly records: Records,
    private readonly stores: KeyStores,
    private readonly materialIds: ObjectId,
  ) {}

  /**
   * Generates material in the HSM, under an intent.
   * @param customKeyStoreId undefined for the default store
   * @throws KeyError (unsupported-operation) if the module lacks a mechanism; HsmError. Nothing is left in the HSM then.
   */
  async generate(
    { keyId, keySpec, keyUsage, multiRegion }: GeneratedKey,
    customKeyStoreId?: string,
  ): Promise<NewMaterial> {
    const store = this.stores.named(customKeyStoreId);
    checkMechanisms(store, keySpec, keyUsage);
    if (multiRegion) checkTravels(store, keySpec);
    const { template, suite } = usageIn(store, keySpec, keyUsage)!;
    // Done first, while a failure leaves nothing behind.
    const materialId = await this.#randomId(customKeyStoreId);
    const made = { ...template, multiRegion };
    const pending = await generateMaterial(this.records, store, labelOf(keyId), made, customKeyStoreId);
    const objectId = pending.objectId.toString('hex');
    const material = { materialId, objectId, suite, createdAt: Date.now() / 1000 };
    return { material, commit: pending.commit, undo: () => pending.undo() };
  }

  /**
   * Imports the first material of a key that does not exist yet.
   * @param record the key's record without material
   * @returns the material, and the record with it
   * @throws HsmError; nothing is left in the HSM then
   */
  async importFirst(
    record: KeyRecord,
    perform: PerformImport,
  ): Promise<NewMaterial & { readonly record: KeyRecord }> {
    return this.#import(record, perform, (pending, imported) => {
      const facts = { ...imported, at: record.createdAt, validTo: undefined, leftHsm: true };
      const whole = withImport(record, facts).record;
      return {
        record: { ...whole, enabled: record.enabled },
        material: whole.materials[0]!,
        commit: pending.commit,
        undo: () => pending.undo(),
      };
    });
  }

  /**
   * Makes the record of material for an object that already exists in the token of the default store. It needs no intent.
   * @param shortfalls names of attributes in which the object falls short of keys that Keyhold generates
   */
  async adopt(
    objectId: ObjectId,
    suite: MaterialRecord['suite'],
    shortfalls: string[],
  ): Promise<MaterialRecord> {
    return {
      materialId: await this.#randomId(undefined),
      objectId: objectId.toString('hex'),
      suite,
      createdAt: Date.now() / 1000,
      adopted: { shortfalls },
    };
  }

  /**
   * Generates material that becomes a key's current one.
   * @param check checks the key when the change is committed, and throws if it may not be rotated
   * @throws KeyError (unsupported-operation), HsmError
   */
  async prepareRotation(
    key: Key,
    rotationType: RotationType,
    check: (key: Key) => void,
  ): Promise<PreparedMaterial> {
    if (!isRotatable(key.record))
      throw new KeyError('unsupported-operation', `${key.arn} gets no material that the HSM generates.`);
    const { material, commit, undo } = await this.generate(key.record, key.record.customKeyStoreId);
    const changes = () => {
      const now = this.keyring.existing(key.record.keyId);
      check(now);
      // The primary Region may have changed while the HSM made the material.
      checkNoReplica(now);
      const { rotation, materials, pendingMaterial } = now.record;
      // A replica key may have it already.
      if (pendingMaterial)
        throw new KeyError(
          'invalid-state',
          `${key.arn} is being rotated: its replica keys get their material.`,
        );
      const next =
        rotation && rotationType === 'AUTOMATIC'
          ? rotationFrom(material.createdAt, rotation.periodInDays)
          : rotation;
      const rotated = { ...material, rotationType };
      // Nothing is encrypted under material that a replica key cannot decrypt with yet.
      const added = hasReplicas(now.record)
        ? { pendingMaterial: rotated }
        : { materials: [...materials, rotated] };
      return [putKey({ ...now.record, ...added, rotation: next }), commit];
    };
    return { materialId: material.materialId, changes, undo };
  }

  /**
   * Imports material into a key of origin EXTERNAL.
   * @returns the material, and a function to call once the change is committed
   * @throws HsmError, KeyError (incorrect-key-material, invalid-state); nothing is left in the HSM then
   */
  async prepareImport(
    key: Key,
    perform: PerformImport,
    facts: ImportFacts,
  ): Promise<PreparedMaterial & { readonly finish: () => Promise<void> }> {
    return this.#import(key.record, perform, (pending, imported) => {
      const merged = { ...facts, ...imported, at: Date.now() / 1000 };
      const imports = (now: Key) =>
        withImport(now.record, merged, (id) => now.material(id)?.missing !== undefined);
      // Checked now too, so that a wrong import costs no write.
      imports(key);
      let takesObject = true;
      let replaced: string | undefined;
      const changes = () => {
        const result = imports(this.keyring.existing(key.record.keyId));
        ({ takesObject, replaced } = result);
        // If the object is not needed, its intent stays, and finish() removes both.
        if (!takesObject) return [putKey(result.record)];
        const destruction = replaced === undefined ? [] : [intendDestruction(replaced)];
        return [putKey(result.record), pending.commit, ...destruction];
      };
      const finish = async () => {
        if (!takesObject) await pending.undo();
        if (replaced !== undefined) await finishDestruction(this.records, this.stores.of(key), replaced);
      };
      return { materialId: imported.materialId, changes, undo: () => pending.undo(), finish };
    });
  }

  /**
   * Imports under an intent, and computes the material's ID.
   * @param use makes the result; if it throws, the import is undone
   */
  async #import<Result>(
    record: KeyRecord,
    perform: PerformImport,
    use: (pending: PendingMaterial, imported: ImportedIdentity) => Result,
  ): Promise<Result> {
    const { keyId } = record;
    const pending = await importMaterial(this.records, this.stores.of({ record }), labelOf(keyId), perform);
    try {
      const { checkValue, leftHsm } = pending.imported;
      // A former replica key knows its material by the ID that another Region gave it.
      const materialId =
        (await this.#relatedId(record, pending.objectId)) ??
        (await materialIdOf(this.stores.main, this.materialIds, record, checkValue));
      const objectId = pending.objectId.toString('hex');
      const arn = this.keyring.namer.keyArn(keyId);
      return use(pending, { arn, materialId, objectId, leftHsm });
    } catch (error) {
      await pending.undo();
      throw error;
    }
  }

  /**
   * Finds the ID that the primary key, or a former one, has for the material of an object.
   * @returns undefined if it is not known and the key is no replica
   * @throws KeyError (incorrect-key-material) if the primary key does not have the material
   */
  async #relatedId(record: KeyRecord, objectId: ObjectId): Promise<string | undefined> {
    const { keyId, keySpec, keyUsage } = record;
    const store = this.stores.of({ record });
    for (const { materialId, imported } of materialsOf(record)) {
      const statement = { to: this.keyring.namer.region, keyId, materialId, keySpec, keyUsage };
      if (imported?.proof && (await isProved(store, record, objectId, statement, imported.proof)))
        return materialId;
    }
    if (!isReplica(record)) return undefined;
    throw new KeyError(
      'incorrect-key-material',
      `The imported key material is not that of the primary key in ${record.regions?.primaryRegion}: import it there first.`,
    );
  }

  /** @returns 32 random bytes from the store's HSM, in hex */
  async #randomId(customKeyStoreId: string | undefined): Promise<string> {
    return (await this.stores.named(customKeyStoreId).random(32)).toString('hex');
  }
}
