import type { KeyMetadata } from '../../proto/generated/messages.js';
import type { Namer } from './identifiers.js';
import type { Key } from './keyring.js';
import { keySpecs } from './specs.js';

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
    origin: 'AWS_KMS',
    keyManager: 'CUSTOMER',
    customerMasterKeySpec: 'SYMMETRIC_DEFAULT',
    keySpec: record.keySpec,
    encryptionAlgorithms: [...(keySpecs[record.keySpec]?.encryptionAlgorithms ?? [])],
    multiRegion: record.multiRegion,
    multiRegionConfiguration: record.multiRegion
      ? { multiRegionKeyType: 'PRIMARY', primaryKey: { arn: key.arn, region: namer.region }, replicaKeys: [] }
      : undefined,
    currentKeyMaterialId: key.current.materialId,
  };
}
