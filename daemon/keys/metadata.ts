import type { KeyMetadata } from '../../proto/generated/messages.js';
import { algorithmsOf, customerMasterKeySpec } from './algorithms.js';
import type { Namer } from './identifiers.js';
import type { Key } from './keyring.js';

/** What DescribeKey and CreateKey tell of a key. */
export function keyMetadata(key: Key, namer: Namer): KeyMetadata {
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
    origin: record.origin,
    keyManager: record.keyManager,
    customKeyStoreId: record.customKeyStoreId,
    customerMasterKeySpec: customerMasterKeySpec(record.keySpec),
    keySpec: record.keySpec,
    ...algorithmsOf(key),
    multiRegion: record.multiRegion,
    multiRegionConfiguration: record.multiRegion
      ? { multiRegionKeyType: 'PRIMARY', primaryKey: { arn: key.arn, region: namer.region }, replicaKeys: [] }
      : undefined,
    currentKeyMaterialId: key.current.symmetric && key.current.materialId,
  };
}
