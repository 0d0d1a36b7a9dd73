// The groups of operations in `keyhold --help`.
import type { OperationName } from '../../../proto/schema/descriptor.js';

/** The headings of `keyhold --help` in order, with the operations under each. */
const groups: Readonly<Record<string, readonly OperationName[]>> = {
  'Keys:': [
    'CreateKey',
    'DescribeKey',
    'ListKeys',
    'UpdateKeyDescription',
    'EnableKey',
    'DisableKey',
    'ScheduleKeyDeletion',
    'CancelKeyDeletion',
    'GetKeyLastUsage',
    'TagResource',
    'UntagResource',
    'ListResourceTags',
    'CreateAlias',
    'UpdateAlias',
    'DeleteAlias',
    'ListAliases',
  ],
  'Encryption and data keys:': [
    'Encrypt',
    'Decrypt',
    'ReEncrypt',
    'GenerateDataKey',
    'GenerateDataKeyWithoutPlaintext',
    'GenerateDataKeyPair',
    'GenerateDataKeyPairWithoutPlaintext',
    'GenerateRandom',
  ],
  'Signatures, MACs and key agreement:': [
    'Sign',
    'Verify',
    'GetPublicKey',
    'GenerateMac',
    'VerifyMac',
    'DeriveSharedSecret',
    'Encapsulate',
    'Decapsulate',
  ],
  'Rotation:': [
    'EnableKeyRotation',
    'DisableKeyRotation',
    'GetKeyRotationStatus',
    'RotateKeyOnDemand',
    'ListKeyRotations',
  ],
  'Import and adoption:': [
    'GetParametersForImport',
    'ImportKeyMaterial',
    'DeleteImportedKeyMaterial',
    'AdoptKey',
  ],
  'Permissions:': [
    'PutKeyPolicy',
    'GetKeyPolicy',
    'ListKeyPolicies',
    'CreateGrant',
    'ListGrants',
    'ListRetirableGrants',
    'RetireGrant',
    'RevokeGrant',
    'ExplainPolicy',
  ],
  'Key stores:': [
    'CreateCustomKeyStore',
    'UpdateCustomKeyStore',
    'DescribeCustomKeyStores',
    'ConnectCustomKeyStore',
    'DisconnectCustomKeyStore',
    'DeleteCustomKeyStore',
    'MigrateKey',
  ],
  'Users, roles and policies:': [
    'CreateUser',
    'GetUser',
    'DeleteUser',
    'ListUsers',
    'TagUser',
    'UntagUser',
    'CreateRole',
    'GetRole',
    'DeleteRole',
    'ListRoles',
    'UpdateAssumeRolePolicy',
    'TagRole',
    'UntagRole',
    'CreatePolicy',
    'GetPolicy',
    'DeletePolicy',
    'ListPolicies',
    'AttachUserPolicy',
    'DetachUserPolicy',
    'AttachRolePolicy',
    'DetachRolePolicy',
    'ListAttachedUserPolicies',
    'ListAttachedRolePolicies',
    'PutUserPermissionsBoundary',
    'DeleteUserPermissionsBoundary',
    'PutRolePermissionsBoundary',
    'DeleteRolePermissionsBoundary',
    'CreateAccessKey',
    'ListAccessKeys',
    'UpdateAccessKey',
    'DeleteAccessKey',
  ],
  'Backup:': ['CreateBackup', 'ReadBackup', 'ArchiveAuditLog'],
  'Sessions:': ['AssumeRole', 'GetSessionToken', 'GetCallerIdentity'],
  'The daemon:': ['GetStatus', 'QueryAudit'],
};

/** The heading of operations that are in no group. */
const others = 'Other operations:';

const headings = new Map(
  Object.entries(groups).flatMap(([heading, names]) => names.map((name) => [name, heading] as const)),
);

/** Returns the heading under which `keyhold --help` lists an operation. */
export function headingOf(operation: OperationName): string {
  return headings.get(operation) ?? others;
}
