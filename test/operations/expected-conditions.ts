// By permission: a request, the condition keys that it supplies beside those of every request, and their values.
import { encodeBlob, blobHeader } from '../../proto/formats/ciphertext.js';
import { Namer } from '../../daemon/keys/identifiers.js';

export type Values = Readonly<Record<string, string | readonly string[] | undefined>>;

export const account = '000000000000';
export const namer = new Namer(account, 'us-east-1');
export const keyId = '1234abcd-12ab-34cd-56ef-1234567890ab';
const otherId = '2234abcd-12ab-34cd-56ef-1234567890ab';

/** Condition keys of every request. */
export const ofRequests = [
  'aws:CurrentTime',
  'aws:EpochTime',
  'aws:MultiFactorAuthPresent',
  'aws:PrincipalAccount',
  'aws:PrincipalArn',
  'aws:PrincipalTag/',
  'aws:PrincipalType',
  'aws:RequestedRegion',
  'aws:SecureTransport',
  'aws:SourceIp',
  'aws:TokenIssueTime',
  'aws:UserAgent',
  'aws:userid',
  'aws:username',
  'kms:CallerAccount',
];

/** Condition keys of every permission about a key. */
export const ofKeys = [
  'aws:ResourceTag/',
  'kms:CustomerMasterKeySpec',
  'kms:CustomerMasterKeyUsage',
  'kms:KeyOrigin',
  'kms:KeySpec',
  'kms:KeyUsage',
  'kms:MultiRegion',
  'kms:MultiRegionKeyType',
  'kms:ResourceAliases',
];

const blob = encodeBlob(blobHeader(1, keyId, '0'.repeat(64)), Buffer.alloc(12), Buffer.alloc(16));
const byAlias = { keyId: 'alias/used' };
export const context = {
  encryptionContext: Object.assign(Object.create(null) as object, { Dept: 'IT', __proto: 'x' }),
};
const contextKeys: Values = {
  'kms:EncryptionContext:dept': ['IT'],
  'kms:EncryptionContext:__proto': ['x'],
  'kms:EncryptionContext:other': [],
  'kms:EncryptionContextKeys': ['Dept', '__proto'],
};
const alias: Values = { 'kms:RequestAlias': 'alias/used' };
const symmetric: Values = { 'kms:EncryptionAlgorithm': 'SYMMETRIC_DEFAULT' };
const tags = {
  tags: [
    { tagKey: 'Team', tagValue: 'red' },
    { tagKey: 'cost', tagValue: '1' },
  ],
};
const requestTags: Values = {
  'aws:RequestTag/team': ['red'],
  'aws:RequestTag/cost': ['1'],
  'aws:RequestTag/x': [],
  'aws:TagKeys': ['Team', 'cost'],
};

interface Row {
  readonly request: Record<string, unknown>;
  readonly values: Values;
}

/** By operation and action: those with further condition keys; all others have none. */
export const own: Readonly<Record<string, Row>> = {
  'CreateKey kms:CreateKey': {
    request: { keySpec: 'RSA_2048', keyUsage: 'SIGN_VERIFY', multiRegion: true, ...tags },
    values: {
      ...requestTags,
      'kms:KeySpec': 'RSA_2048',
      'kms:CustomerMasterKeySpec': 'RSA_2048',
      'kms:KeyUsage': 'SIGN_VERIFY',
      'kms:CustomerMasterKeyUsage': 'SIGN_VERIFY',
      'kms:KeyOrigin': 'AWS_KMS',
      'kms:MultiRegion': 'true',
      'kms:MultiRegionKeyType': 'PRIMARY',
      'kms:BypassPolicyLockoutSafetyCheck': 'false',
    },
  },
  'CreateKey kms:TagResource': { request: tags, values: requestTags },
  'DescribeKey kms:DescribeKey': { request: byAlias, values: alias },
  'ScheduleKeyDeletion kms:ScheduleKeyDeletion': {
    request: { pendingWindowInDays: 7 },
    values: { 'kms:ScheduleKeyDeletionPendingWindowInDays': '7' },
  },
  'EnableKeyRotation kms:EnableKeyRotation': {
    request: {},
    values: { 'kms:RotationPeriodInDays': '365' },
  },
  'ReplicateKey kms:ReplicateKey': {
    request: { replicaRegion: 'eu-central-1' },
    values: { 'kms:ReplicaRegion': 'eu-central-1' },
  },
  'UpdatePrimaryRegion kms:UpdatePrimaryRegion': {
    request: { primaryRegion: 'eu-central-1' },
    values: { 'kms:PrimaryRegion': 'eu-central-1' },
  },
  'GetParametersForImport kms:GetParametersForImport': {
    request: { wrappingAlgorithm: 'RSAES_OAEP_SHA_256', wrappingKeySpec: 'RSA_4096' },
    values: { 'kms:WrappingAlgorithm': 'RSAES_OAEP_SHA_256', 'kms:WrappingKeySpec': 'RSA_4096' },
  },
  'ImportKeyMaterial kms:ImportKeyMaterial': {
    request: { validTo: 2_000_000_000.5 },
    values: { 'kms:ExpirationModel': 'KEY_MATERIAL_EXPIRES', 'kms:ValidTo': '2000000000.5' },
  },
  'TagResource kms:TagResource': { request: tags, values: requestTags },
  'UntagResource kms:UntagResource': {
    request: { tagKeys: ['a', 'B'] },
    values: { 'aws:TagKeys': ['a', 'B'] },
  },
  'PutKeyPolicy kms:PutKeyPolicy': {
    request: { bypassPolicyLockoutSafetyCheck: true },
    values: { 'kms:BypassPolicyLockoutSafetyCheck': 'true' },
  },
  'Encrypt kms:Encrypt': {
    request: { ...byAlias, ...context, encryptionAlgorithm: 'RSAES_OAEP_SHA_1' },
    values: { ...alias, ...contextKeys, 'kms:EncryptionAlgorithm': 'RSAES_OAEP_SHA_1' },
  },
  'Decrypt kms:Decrypt': {
    request: { ...context, ciphertextBlob: blob },
    values: { ...contextKeys, ...symmetric, 'kms:RequestAlias': undefined },
  },
  'ReEncrypt kms:ReEncryptFrom': {
    request: {
      ciphertextBlob: blob,
      destinationKeyId: 'alias/used',
      sourceEncryptionContext: context.encryptionContext,
    },
    values: {
      ...contextKeys,
      ...symmetric,
      'kms:RequestAlias': undefined,
      'kms:ReEncryptOnSameKey': 'true',
    },
  },
  'ReEncrypt kms:ReEncryptTo': {
    request: { ciphertextBlob: blob, destinationKeyId: otherId },
    values: {
      ...symmetric,
      'kms:EncryptionContext:dept': [],
      'kms:EncryptionContextKeys': [],
      'kms:RequestAlias': undefined,
      'kms:ReEncryptOnSameKey': 'false',
    },
  },
  'GenerateDataKey kms:GenerateDataKey': {
    request: { ...byAlias, ...context },
    values: { ...alias, ...contextKeys, ...symmetric },
  },
  'GenerateDataKeyWithoutPlaintext kms:GenerateDataKeyWithoutPlaintext': {
    request: { keyId: namer.aliasArn('alias/used'), ...context },
    values: { ...alias, ...contextKeys, ...symmetric },
  },
  'GenerateDataKeyPair kms:GenerateDataKeyPair': {
    request: { ...byAlias, ...context, keyPairSpec: 'RSA_2048' },
    values: { ...alias, ...contextKeys, ...symmetric, 'kms:DataKeyPairSpec': 'RSA_2048' },
  },
  'GenerateDataKeyPairWithoutPlaintext kms:GenerateDataKeyPairWithoutPlaintext': {
    request: { ...byAlias, ...context, keyPairSpec: 'ECC_NIST_P256' },
    values: { ...alias, ...contextKeys, ...symmetric, 'kms:DataKeyPairSpec': 'ECC_NIST_P256' },
  },
  'Sign kms:Sign': {
    request: { ...byAlias, signingAlgorithm: 'ECDSA_SHA_256' },
    values: { ...alias, 'kms:SigningAlgorithm': 'ECDSA_SHA_256', 'kms:MessageType': 'RAW' },
  },
  'Verify kms:Verify': {
    request: { keyId, signingAlgorithm: 'ECDSA_SHA_256', messageType: 'DIGEST' },
    values: {
      'kms:RequestAlias': undefined,
      'kms:SigningAlgorithm': 'ECDSA_SHA_256',
      'kms:MessageType': 'DIGEST',
    },
  },
  'GenerateMac kms:GenerateMac': {
    request: { ...byAlias, macAlgorithm: 'HMAC_SHA_256' },
    values: { ...alias, 'kms:MacAlgorithm': 'HMAC_SHA_256' },
  },
  'VerifyMac kms:VerifyMac': {
    request: { ...byAlias, macAlgorithm: 'HMAC_SHA_512' },
    values: { ...alias, 'kms:MacAlgorithm': 'HMAC_SHA_512' },
  },
  'GetPublicKey kms:GetPublicKey': { request: byAlias, values: alias },
  'DeriveSharedSecret kms:DeriveSharedSecret': {
    request: { ...byAlias, keyAgreementAlgorithm: 'ECDH' },
    values: { ...alias, 'kms:KeyAgreementAlgorithm': 'ECDH' },
  },
  'Encapsulate kms:Encapsulate': { request: byAlias, values: alias },
  'Decapsulate kms:Decapsulate': { request: byAlias, values: alias },
  'CreateGrant kms:CreateGrant': {
    request: {
      operations: ['Encrypt', 'Decrypt'],
      granteePrincipal: `arn:aws:iam::${account}:user/a`,
      constraints: { encryptionContextSubset: context.encryptionContext },
    },
    values: {
      ...contextKeys,
      'kms:GrantConstraintType': 'EncryptionContextSubset',
      'kms:GrantIsForAWSResource': 'false',
      'kms:GrantOperations': ['Encrypt', 'Decrypt'],
      'kms:GranteePrincipal': `arn:aws:iam::${account}:user/a`,
      'kms:RetiringPrincipal': undefined,
    },
  },
  'ListGrants kms:ListGrants': { request: {}, values: { 'kms:GrantIsForAWSResource': 'false' } },
  'RevokeGrant kms:RevokeGrant': { request: {}, values: { 'kms:GrantIsForAWSResource': 'false' } },
  'RetireGrant kms:RetireGrant': {
    request: { keyId, grantId: 'f'.repeat(64) },
    values: { ...contextKeys, 'kms:GrantConstraintType': 'EncryptionContextEquals' },
  },
  'AdoptKey keyhold:AdoptKey': { request: tags, values: requestTags },
  'SeedKey keyhold:SeedKey': { request: tags, values: requestTags },
  ...ofIdentities('User', [
    'GetUser',
    'DeleteUser',
    'ListAttachedUserPolicies',
    'CreateAccessKey',
    'ListAccessKeys',
    'UpdateAccessKey',
    'DeleteAccessKey',
  ]),
  ...ofIdentities('Role', ['GetRole', 'DeleteRole', 'UpdateAssumeRolePolicy', 'ListAttachedRolePolicies']),
  ...ofSessions('sts:AssumeRole'),
  ...ofSessions('sts:TagSession'),
};

/** Rows of users or of roles; `names` are the operations that concern neither tags nor policies. */
function ofIdentities(kind: 'User' | 'Role', names: readonly string[]): Record<string, Row> {
  const named = { [`${kind.toLowerCase()}Name`]: 'named' };
  const own: Values = {
    'aws:ResourceTag/level': '3',
    'iam:ResourceTag/level': '3',
    'aws:ResourceTag/x': undefined,
  };
  const tags = { tags: [{ key: 'Team', value: 'red' }] };
  const given: Values = { 'aws:RequestTag/team': 'red', 'aws:TagKeys': ['Team'] };
  const policy = { policyArn: arnOfPolicy('p') };
  const boundary = { permissionsBoundary: arnOfPolicy('given') };
  const present: Values = { ...own, 'iam:PermissionsBoundary': arnOfPolicy('present') };
  const row = (name: string, request: Record<string, unknown>, values: Values) =>
    [`${name} keyhold:${name}`, { request, values }] as const;
  const ofPolicy = (name: string) =>
    row(name, { ...named, ...policy }, { ...present, 'iam:PolicyARN': policy.policyArn });
  return Object.fromEntries([
    ...names.map((name) => row(name, named, own)),
    ofPolicy(`Attach${kind}Policy`),
    ofPolicy(`Detach${kind}Policy`),
    row(
      `Put${kind}PermissionsBoundary`,
      { ...named, ...boundary },
      { ...own, 'iam:PermissionsBoundary': boundary.permissionsBoundary },
    ),
    row(`Delete${kind}PermissionsBoundary`, named, present),
    row(
      `Create${kind}`,
      { ...named, ...tags, ...boundary },
      { ...given, 'iam:PermissionsBoundary': boundary.permissionsBoundary },
    ),
    row(`Tag${kind}`, { ...named, ...tags }, { ...own, ...given }),
    row(`Untag${kind}`, { ...named, tagKeys: ['Team'] }, { ...own, 'aws:TagKeys': ['Team'] }),
  ]);
}

export function arnOfPolicy(name: string): string {
  return `arn:aws:iam::${account}:policy/${name}`;
}

function ofSessions(action: string): Record<string, Row> {
  const request = {
    roleArn: `arn:aws:iam::${account}:role/r`,
    roleSessionName: 'one',
    externalId: 'x',
    tags: [{ key: 'Team', value: 'red' }],
    transitiveTagKeys: ['Team'],
  };
  const values = {
    'sts:RoleSessionName': 'one',
    'sts:ExternalId': 'x',
    'sts:TransitiveTagKeys': ['Team'],
    'aws:TagKeys': ['Team'],
    'aws:RequestTag/team': 'red',
    'aws:ResourceTag/level': '3',
    'iam:ResourceTag/level': '3',
  };
  return { [`AssumeRole ${action}`]: { request, values } };
}
