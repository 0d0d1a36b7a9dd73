// What the daemon does by itself to keys. It goes the way of a change by request: committed with its audit event.
import { exceptions } from '../../proto/errors.js';
import { type Key, putKey, removeKey } from '../keys/keyring.js';
import { checkState } from '../keys/states.js';
import { makeServiceEvent } from './audit-event.js';
import { prepareRotation } from './new-material.js';
import type { Services } from './operation.js';
import type { Recorder } from './recorder.js';

type ActServices = Pick<Services, 'keyring' | 'records' | 'stores'>;

export class ServiceActs {
  constructor(
    private readonly services: ActServices,
    private readonly recorder: Recorder,
  ) {}

  /**
   * Deletes a key that is pending deletion, whatever the time. The intent is committed first: from then on the
   * deletion cannot be cancelled, and a crash leaves a key whose deletion the next start finishes. The objects go next,
   * and one commit removes the key with all that belongs to it.
   * @throws HsmError, StoreError, AuditError: to be tried again. ServiceError where it is not pending deletion
   */
  async deleteKey(keyId: string): Promise<void> {
    const { keyring, records, stores } = this.services;
    this.recorder.checkAvailable();
    if (!keyring.existing(keyId).record.deletion?.begun) {
      await records.commit(() => {
        const { record } = pendingDeletion(keyring.existing(keyId));
        return [putKey({ ...record, deletion: { ...record.deletion!, begun: true } })];
      });
    }
    const key = keyring.existing(keyId);
    for (const { objectId } of key.record.materials)
      await stores.of(key).destroy(Buffer.from(objectId, 'hex'));
    await this.recorder.commit(
      { changes: () => removeKey(keyring, pendingDeletion(keyring.existing(keyId)).record) },
      this.#event('DeleteKey', key, { keyId }),
    );
  }

  /**
   * Rotates an enabled key, as automatic rotation does.
   * @throws HsmError, StoreError, AuditError: to be tried again. ServiceError where its state does not allow it
   */
  async rotateKey(keyId: string): Promise<void> {
    const { keyring } = this.services;
    this.recorder.checkAvailable();
    const key = keyring.existing(keyId);
    const check = (now: Key) => checkState(now, 'rotate');
    check(key);
    const { materialId, ...change } = await prepareRotation(key, 'AUTOMATIC', this.services, check);
    const details = {
      keyId,
      rotationType: 'AUTOMATIC',
      keyOrigin: key.record.origin,
      previousKeyMaterialId: key.current.materialId,
      currentKeyMaterialId: materialId,
    };
    await this.recorder.commit(change, this.#event('RotateKey', key, details));
  }

  #event(name: string, key: Key, details: object) {
    const { account, region } = this.services.keyring.namer;
    return makeServiceEvent(name, account, region, details, key);
  }
}

function pendingDeletion(key: Key): Key {
  if (key.state === 'PendingDeletion') return key;
  throw new exceptions.KMSInvalidStateException(`${key.arn} is not pending deletion any more.`);
}
