import type { KeyMetadata } from '../../proto/generated/messages.js';
import { algorithmsOf, customerMasterKeySpec } from './specs/algorithms.js';
import type { Namer } from './identifiers.js';
import type { Key } from './key.js';
import { multiRegionConfiguration } from './multi-region/relation.js';
import { shortfallsOf } from './material/material-warnings.js';
import { earliestExpiry } from './states.js';

/**
 * Makes the metadata of a key for DescribeKey and CreateKey.
 * @param cloudHsmClusterId the cluster of a key in a custom key store
 */
export function keyMetadata(key: Key, namer: Namer, cloudHsmClusterId?: string): KeyMetadata {
  const { record } = key;
  return {
    keyId: record.keyId,
    awsAccountId: namer.account,
    arn: key.arn,
    creationDate: record.createdAt,
    enabled: key.state === 'Enabled',
    description: record.description,
    keyUsage: record.keyUsage,
    keyState: key.state,
    deletionDate: record.deletion?.at,
    ...expiration(key),
    origin: record.origin,
    keyManager: record.keyManager,
    customKeyStoreId: record.customKeyStoreId,
    cloudHsmClusterId,
    customerMasterKeySpec: customerMasterKeySpec(record.keySpec),
    keySpec: record.keySpec,
    ...algorithmsOf(key),
    multiRegion: record.multiRegion,
    multiRegionConfiguration: multiRegionConfiguration(record, namer),
    pendingDeletionWindowInDays: record.replicaDeletion?.windowInDays,
    currentKeyMaterialId: record.materials.at(-1)?.suite && record.materials.at(-1)?.materialId,
    keyholdWarnings: shortfallsOf(key),
  };
}

function expiration({ record, state }: Key): Pick<KeyMetadata, 'expirationModel' | 'validTo'> {
  if (record.origin !== 'EXTERNAL' || state === 'PendingImport' || record.materials.length === 0) return {};
  const validTo = earliestExpiry(record);
  if (validTo === undefined) return { expirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' };
  return { expirationModel: 'KEY_MATERIAL_EXPIRES', validTo };
}
