// Makes the keys of services (`alias/aws/<service>`) when they are first used.
import { randomUUID } from 'node:crypto';
import {
  Key,
  keyDefaults,
  type KeyRecord,
  managedAliasPrefix,
  managedDescription,
  type MaterialRecord,
  putAlias,
  putKey,
  rotationFrom,
} from '../../keys/index.js';
import { managedKeyPolicy } from '../../policy/engine/managed-key-policy.js';
import { makeServiceEvent } from '../../audit/event.js';
import type { Services } from '../../pipeline/operation.js';
import type { Recorder } from '../../journal/recorder.js';

const spec = { keySpec: 'SYMMETRIC_DEFAULT', keyUsage: 'ENCRYPT_DECRYPT' } as const;

/** Days. The period of services' keys is fixed at one year. */
const rotationPeriod = 365;

/** Makes the keys of services. */
export class ManagedKeys {
  /** Keys that are being made, by service. */
  readonly #making = new Map<string, Promise<Key>>();

  constructor(
    private readonly services: Pick<Services, 'keyring' | 'materials'>,
    private readonly recorder: Recorder,
  ) {}

  /** The key as it will be made, to decide whether a caller may use it. Its ID is `*`; its material decides nothing. */
  prospective(service: string): Key {
    const material = { materialId: '0'.repeat(64), objectId: '0'.repeat(32), createdAt: 0 };
    return new Key(this.#record(service, '*', material), this.services.keyring.namer);
  }

  /**
   * Makes the key and alias of a service. Concurrent requests wait for the same key. After a crash either both exist, or the
   * next start undoes the intent and neither does.
   * @throws HsmError, StoreError, AuditError
   */
  make(service: string): Promise<Key> {
    let making = this.#making.get(service);
    if (!making) {
      making = this.#make(service).finally(() => this.#making.delete(service));
      this.#making.set(service, making);
    }
    return making;
  }

  async #make(service: string): Promise<Key> {
    const { keyring, materials } = this.services;
    const aliasName = managedAliasPrefix + service;
    const keyId = randomUUID();
    const { material, commit, undo } = await materials.generate({ keyId, ...spec, multiRegion: false });
    const { createdAt } = material;
    const record = this.#record(service, keyId, material);
    const alias = { targetKeyId: keyId, createdAt, updatedAt: createdAt };
    const { account, region } = keyring.namer;
    const key = new Key(record, keyring.namer);
    await this.recorder.commit(
      {
        changes: () => [putKey(record), putAlias(aliasName, alias), commit],
        undo,
      },
      makeServiceEvent('CreateKey', account, region, { keyId, aliasName }, key.arn),
    );
    return keyring.existing(keyId);
  }

  #record(service: string, keyId: string, material: MaterialRecord): KeyRecord {
    const { createdAt } = material;
    return {
      ...keyDefaults,
      tags: [],
      keyId,
      createdAt,
      description: managedDescription(service),
      ...spec,
      keyManager: 'AWS',
      policy: managedKeyPolicy(this.services.keyring.namer.account, service),
      materials: [material],
      rotation: rotationFrom(createdAt, rotationPeriod),
    };
  }
}
