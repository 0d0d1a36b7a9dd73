// MigrateKey: moves a key to another key store. Material never leaves an HSM, so the key gets new material in the new
// store. Its older materials stay where they are, and still decrypt what they encrypted.
import { exceptions } from '../../../proto/errors.js';
import {
  checkState,
  existingCustomKeyStore,
  type Key,
  type KeyRecord,
  locationOf,
  putKey,
  storeIdOf,
} from '../../keys/index.js';
import { type AnyOperation, operation } from '../../pipeline/operation.js';
import { keyIdOrArn } from '../shared/key-resolvers.js';

const migrateKey = operation({
  name: 'MigrateKey',
  service: 'keyhold',
  readOnly: false,
  // For the key this is a rotation: new material encrypts from now on.
  permissions: [
    { action: 'keyhold:MigrateKey' },
    { action: 'kms:RotateKeyOnDemand', key: keyIdOrArn('keyId') },
  ],
  audited: ['keyId', 'customKeyStoreId'],
  auditedResponse: (response) => response,
  async handle({ request: { customKeyStoreId }, key, services: { keyring, records, stores, materials } }) {
    const { keyId } = key.record;
    // A store that is not connected is reported before anything else.
    stores.named(customKeyStoreId);
    checkMigratable(key, customKeyStoreId);
    if (key.record.customKeyStoreId === customKeyStoreId) {
      const keyMaterialId = key.current.materialId;
      return { response: { keyId: key.arn, keyMaterialId, migrated: false }, keyMaterialId };
    }
    const { material, commit, undo } = await materials.generate(key.record, customKeyStoreId);
    const { materialId } = material;
    return {
      response: { keyId: key.arn, keyMaterialId: materialId, migrated: true },
      keyMaterialId: materialId,
      changes: () => {
        if (customKeyStoreId !== undefined) existingCustomKeyStore(records, customKeyStoreId);
        const now = keyring.existing(keyId);
        checkMigratable(now, customKeyStoreId);
        const moved = movedTo(now.record, customKeyStoreId);
        return [putKey({ ...moved, materials: [...moved.materials, material] }), commit];
      },
      undo,
    };
  },
});

/** A key's record in another key store. Each of its materials records the store that it stays in. */
function movedTo(record: KeyRecord, customKeyStoreId: string | undefined): KeyRecord {
  return {
    ...record,
    customKeyStoreId,
    origin: customKeyStoreId === undefined ? 'AWS_KMS' : 'AWS_CLOUDHSM',
    // Keys in custom key stores do not rotate automatically, as in AWS KMS.
    rotation: customKeyStoreId === undefined ? record.rotation : undefined,
    materials: record.materials.map((material) => ({
      ...material,
      location: locationOf(storeIdOf(record, material)),
    })),
  };
}

/** Checks that a key can be migrated. @throws UnsupportedOperationException with the reason, KMSInvalidStateException */
function checkMigratable(key: Key, customKeyStoreId: string | undefined): void {
  const { keySpec, origin, keyManager, multiRegion } = key.record;
  const refusal = (reason: string) =>
    new exceptions.UnsupportedOperationException(`${key.arn} cannot be migrated: ${reason}.`);
  if (keySpec !== 'SYMMETRIC_DEFAULT')
    throw refusal(
      `a ${keySpec} key has one material, which never leaves its HSM: make a new key there, and keep this one for what it encrypted or signed`,
    );
  if (origin === 'EXTERNAL')
    throw refusal('its material was imported: make a key there, and import its material again or re-encrypt');
  if (keyManager === 'AWS') throw refusal('it is managed by Keyhold');
  if (multiRegion && customKeyStoreId !== undefined)
    throw refusal('a multi-Region key cannot be in a custom key store');
  checkState(key, 'migrate');
}

export const migrationOperations: readonly AnyOperation[] = [migrateKey];
