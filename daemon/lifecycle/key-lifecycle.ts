// Background key lifecycle: deletion, rotation, expiry. Like a request's, each change is committed with its audit event.
import { exceptions } from '../../proto/errors.js';
import {
  checkNoReplica,
  checkState,
  expiredMaterial,
  finishDestruction,
  hasReplicas,
  intendDestruction,
  type Key,
  type MaterialLocation,
  type MaterialRecord,
  materialsOf,
  putKey,
  removeKey,
  storeIdOf,
  withoutMaterial,
  withPlausiblePeriods,
  wrappingKey,
  wrappingKeyNames,
} from '../keys/index.js';
import { makeServiceEvent } from '../audit/event.js';
import type { Services } from '../pipeline/operation.js';
import type { Recorder } from '../journal/recorder.js';
import { noteDeletedReplica } from '../regions/deleted-replicas.js';

type ActServices = Pick<Services, 'keyring' | 'records' | 'stores' | 'materials'>;

/** The key store of a key's material. */
function holderOf({ record }: Key, material: MaterialRecord): MaterialLocation {
  return { record: { customKeyStoreId: storeIdOf(record, material) } };
}

/** The key's own store, and those of materials from before a migration. */
function holdersOf(key: Key): MaterialLocation[] {
  return [key, ...materialsOf(key.record).map((material) => holderOf(key, material))];
}

/** The actions of the background key lifecycle. */
export class KeyLifecycle {
  constructor(
    private readonly services: ActServices,
    private readonly recorder: Recorder,
  ) {}

  /**
   * Deletes a key that is pending deletion, regardless of the date. The intent is committed first: from then on the
   * deletion cannot be cancelled, and after a crash the next start finishes it. Then the objects are destroyed, and one
   * commit removes the key with everything that belongs to it.
   * @throws HsmError, StoreError, AuditError: try again; KMSInvalidStateException if the key is not pending deletion
   */
  async deleteKey(keyId: string): Promise<void> {
    const { keyring, records, stores } = this.services;
    this.recorder.checkAvailable();
    // Before the intent: a store that comes back after a cancelled deletion must still have the material.
    for (const holder of holdersOf(keyring.existing(keyId))) stores.of(holder);
    if (!keyring.existing(keyId).record.deletion?.begun) {
      await records.commit(() => {
        const { record } = pendingDeletion(keyring.existing(keyId));
        return [putKey({ ...record, deletion: { ...record.deletion!, begun: true } })];
      });
    }
    const key = keyring.existing(keyId);
    const pairs = wrappingKeyNames(records, keyId).map((name) => wrappingKey(records, name)!);
    for (const material of materialsOf(key.record))
      await stores.of(holderOf(key, material)).destroy(Buffer.from(material.objectId, 'hex'));
    for (const { objectId } of pairs) await stores.of(key).destroy(Buffer.from(objectId, 'hex'));
    await this.recorder.commit(
      {
        changes: () => {
          const { record } = pendingDeletion(keyring.existing(keyId));
          return [...removeKey(keyring, record), ...noteDeletedReplica(record)];
        },
      },
      this.#event('DeleteKey', key, { keyId }),
    );
  }

  /** Returns the ID of a custom key store that must be connected before a key can be deleted. */
  awaitedStore(keyId: string): string | undefined {
    const { keyring, stores } = this.services;
    const key = keyring.key(keyId);
    const ids = key ? holdersOf(key).map(({ record }) => record.customKeyStoreId) : [];
    return ids.find((id) => id !== undefined && stores.connectionOf(id).connectionState !== 'CONNECTED');
  }

  /**
   * Rotates an enabled key automatically.
   * @throws HsmError, StoreError, AuditError: try again; KeyError if the key's state does not allow it
   */
  async rotateKey(keyId: string): Promise<void> {
    const { keyring, materials } = this.services;
    this.recorder.checkAvailable();
    const key = keyring.existing(keyId);
    checkNoReplica(key);
    const check = (now: Key) => checkState(now, 'rotate');
    check(key);
    const { materialId, ...change } = await materials.prepareRotation(key, 'AUTOMATIC', check);
    const details = {
      keyId,
      rotationType: 'AUTOMATIC',
      keyOrigin: key.record.origin,
      previousKeyMaterialId: key.current.materialId,
      currentKeyMaterialId: materialId,
    };
    // With replicas the rotation is complete, and recorded as RotateKey, when all of them have the material.
    const name = hasReplicas(key.record) ? 'PrepareKeyRotation' : 'RotateKey';
    await this.recorder.commit(change, this.#event(name, key, details));
  }

  /**
   * Restarts the periods of a key that start in the future, because they were set by a clock that was ahead.
   * @param now epoch seconds of a trusted clock
   * @throws StoreError, AuditError: try again
   */
  async correctPeriods(keyId: string, now: number): Promise<void> {
    const { keyring } = this.services;
    this.recorder.checkAvailable();
    const key = keyring.existing(keyId);
    const { deletion, rotation } = withPlausiblePeriods(key.record, now);
    const details = { keyId, deletionDate: deletion?.at, nextRotationDate: rotation?.nextAt };
    await this.recorder.commit(
      { changes: () => [putKey(withPlausiblePeriods(keyring.existing(keyId).record, now))] },
      this.#event('CorrectKeyPeriods', key, details),
    );
  }

  /**
   * Destroys the expired imported material of a key.
   * @param now epoch seconds of a trusted clock, because the destruction cannot be undone
   * @throws HsmError, StoreError, AuditError: try again
   */
  async expireMaterial(keyId: string, now: number): Promise<void> {
    const { keyring, records, stores } = this.services;
    for (;;) {
      this.recorder.checkAvailable();
      const key = keyring.existing(keyId);
      const expired = expiredMaterial(key.record, now);
      if (!expired) return;
      const { materialId } = expired;
      let destroyed: string | undefined;
      const changes = () => {
        const { record } = keyring.existing(keyId);
        const still = expiredMaterial(record, now);
        // The material may have been imported again meanwhile, with a later expiry.
        if (still?.materialId !== materialId)
          throw new exceptions.KMSInvalidStateException(`${key.arn}: its key material is no longer expired.`);
        destroyed = still.objectId;
        return [putKey(withoutMaterial(record, materialId)), intendDestruction(destroyed)];
      };
      const details = { keyId, keyMaterialId: materialId };
      await this.recorder.commit({ changes }, this.#event('DeleteExpiredKeyMaterial', key, details));
      if (destroyed !== undefined) await finishDestruction(records, stores.of(key), destroyed);
    }
  }

  /**
   * Destroys an expired wrapping key pair.
   * @param name name of its record
   * @throws HsmError, StoreError, AuditError: try again
   */
  async deleteWrappingKey(name: string): Promise<void> {
    const { keyring, records, stores } = this.services;
    this.recorder.checkAvailable();
    const pair = wrappingKey(records, name);
    if (!pair) return;
    const keyId = name.split('/')[1]!;
    const key = keyring.existing(keyId);
    const { objectId, algorithm, wrappingKeySpec } = pair;
    const details = { keyId, wrappingAlgorithm: algorithm, wrappingKeySpec };
    await this.recorder.commit(
      { changes: () => [{ key: name, value: undefined }, intendDestruction(objectId)] },
      this.#event('DeleteExpiredWrappingKey', key, details),
    );
    await finishDestruction(records, stores.of(key), objectId);
  }

  /**
   * Destroys an object of a material or wrapping key pair whose destruction failed before.
   * @param objectId CKA_ID in hex
   * @throws HsmError, StoreError: try again
   */
  finishDestruction(objectId: string): Promise<void> {
    const { records, stores } = this.services;
    return finishDestruction(records, stores.main, objectId);
  }

  #event(name: string, key: Key, details: object) {
    const { account, region } = this.services.keyring.namer;
    return makeServiceEvent(name, account, region, details, key.arn);
  }
}

function pendingDeletion(key: Key): Key {
  if (key.state === 'PendingDeletion') return key;
  throw new exceptions.KMSInvalidStateException(`${key.arn} is no longer pending deletion.`);
}
