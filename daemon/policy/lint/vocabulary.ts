// The existing actions and condition keys, for `keyhold policy lint`. Others are not refused: AWS accepts policies that name
// actions and keys of any service.
const named = (service: string, list: string) =>
  list.split(/\s+/).map((name) => `${service}:${name}`.toLowerCase());

/** Services whose actions are listed here. */
export const services: ReadonlySet<string> = new Set(['kms', 'sts', 'keyhold']);

const actionsOfKms = `CancelKeyDeletion ConnectCustomKeyStore CreateAlias CreateCustomKeyStore CreateGrant CreateKey
  Decapsulate Decrypt DeleteAlias DeleteCustomKeyStore DeleteImportedKeyMaterial DeriveSharedSecret DescribeCustomKeyStores
  DescribeKey DisableKey DisableKeyRotation DisconnectCustomKeyStore EnableKey EnableKeyRotation Encapsulate Encrypt
  GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac
  GenerateRandom GetKeyLastUsage GetKeyPolicy GetKeyRotationStatus GetParametersForImport GetPublicKey ImportKeyMaterial
  ListAliases ListGrants ListKeyPolicies ListKeyRotations ListKeys ListResourceTags ListRetirableGrants PutKeyPolicy
  ReEncryptFrom ReEncryptTo ReplicateKey RetireGrant RevokeGrant RotateKeyOnDemand ScheduleKeyDeletion Sign
  SynchronizeMultiRegionKey TagResource UntagResource UpdateAlias UpdateCustomKeyStore UpdateKeyDescription
  UpdatePrimaryRegion Verify VerifyMac`;

/** Actions in lower case, except those of the keyhold service. */
export const knownActions: readonly string[] = [
  ...named('kms', actionsOfKms),
  ...named('sts', 'AssumeRole GetCallerIdentity GetSessionToken SetSourceIdentity TagSession'),
];

const keysOfKms = `BypassPolicyLockoutSafetyCheck CallerAccount CustomerMasterKeySpec CustomerMasterKeyUsage DataKeyPairSpec
  EncryptionAlgorithm ExpirationModel GrantConstraintType GrantIsForAWSResource GranteePrincipal KeyAgreementAlgorithm
  KeyOrigin KeySpec KeyUsage MacAlgorithm MessageType MultiRegion MultiRegionKeyType PrimaryRegion ReEncryptOnSameKey ReplicaRegion RequestAlias
  RetiringPrincipal RotationPeriodInDays ScheduleKeyDeletionPendingWindowInDays SigningAlgorithm ValidTo ViaService
  WrappingAlgorithm WrappingKeySpec`;

const globalKeys = `CurrentTime EpochTime MultiFactorAuthPresent PrincipalAccount PrincipalArn PrincipalType RequestedRegion
  SecureTransport SourceIp TokenIssueTime UserAgent userid username`;

const keysOfIam = 'PermissionsBoundary PolicyARN';

const keysOfSts = 'ExternalId RoleSessionName SourceIdentity';

/** Multivalued condition keys, in lower case. */
export const multivaluedKeys: ReadonlySet<string> = new Set([
  ...named('kms', 'EncryptionContextKeys GrantOperations ResourceAliases'),
  ...named('aws', 'TagKeys'),
  ...named('sts', 'TransitiveTagKeys'),
]);

const singleKeys: ReadonlySet<string> = new Set([
  ...named('kms', keysOfKms),
  ...named('aws', globalKeys),
  ...named('iam', keysOfIam),
  ...named('sts', keysOfSts),
]);

const prefixes = [
  'kms:encryptioncontext:',
  'aws:resourcetag/',
  'aws:requesttag/',
  'aws:principaltag/',
  'iam:resourcetag/',
];

/** Whether a condition key exists. @param key in lower case */
export function isKnownKey(key: string): boolean {
  return singleKeys.has(key) || multivaluedKeys.has(key) || prefixes.some((prefix) => key.startsWith(prefix));
}
