// Who may call each operation of the table. Only authorization counts here: a later error, such as one about a wrong kind of
// key or a missing object, does not count as a refusal.
import t from 'tap';
import { type Client, connect } from '../../../client/index.js';
import { operationTable } from '../../../daemon/operations/table.js';
import { shapeByName } from '../../../proto/schema/descriptor.js';
import { TestDaemon } from '../../support/daemon.js';

const account = '000000000000';
const arn = (resource: string) => `arn:aws:iam::${account}:${resource}`;
const document = (...statements: object[]) =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });
const statement = (effect: 'Allow' | 'Deny', more: object = {}) => ({
  Effect: effect,
  Action: ['kms:*', 'keyhold:*', 'sts:*'],
  Resource: '*',
  ...more,
});

/** The key that a request is about, with an alias and a ciphertext of it. */
interface Subject {
  readonly keyId: string;
  readonly aliasName: string;
  readonly ciphertextBlob: Uint8Array;
  /** ID of a grant to somebody else. */
  readonly grantId: string;
}

interface Row {
  /**
   * What decides: the policies of a key and of the caller; those for the key and, without it, for an alias; those of the
   * caller alone; these and then the grant; a role's trust policy; nothing.
   */
  readonly by: 'key' | 'key and more' | 'caller' | 'grant' | 'trust' | 'nothing';
  readonly request: (subject: Subject) => object;
}

const ofKey = (more: object = {}): Row => ({ by: 'key', request: ({ keyId }) => ({ keyId, ...more }) });
const ofCaller = (request: object = {}): Row => ({ by: 'caller', request: () => request });
const bytes = Buffer.from('some bytes');
const nobody = { userName: 'nobody' };
const noRole = { roleName: 'nothing' };
const policyArn = arn('policy/nothing');
const customKeyStoreId = 'cks-0123456789abcdef0';
const pair = { keyPairSpec: 'ECC_NIST_P256' };

const rows: Readonly<Record<string, Row>> = {
  CreateKey: ofCaller({ tags: [{ tagKey: 'a', tagValue: 'b' }] }),
  DescribeKey: ofKey(),
  ListKeys: ofCaller(),
  EnableKey: ofKey(),
  DisableKey: ofKey(),
  UpdateKeyDescription: ofKey({ description: '' }),
  GetKeyLastUsage: ofKey(),
  ScheduleKeyDeletion: ofKey(),
  CancelKeyDeletion: ofKey(),
  EnableKeyRotation: ofKey(),
  DisableKeyRotation: ofKey(),
  GetKeyRotationStatus: ofKey(),
  RotateKeyOnDemand: ofKey(),
  ListKeyRotations: ofKey(),
  ReplicateKey: ofKey({ replicaRegion: 'eu-central-1' }),
  UpdatePrimaryRegion: ofKey({ primaryRegion: 'eu-central-1' }),
  GetParametersForImport: ofKey({ wrappingAlgorithm: 'RSAES_OAEP_SHA_256', wrappingKeySpec: 'RSA_2048' }),
  ImportKeyMaterial: ofKey({ importToken: bytes, encryptedKeyMaterial: bytes }),
  DeleteImportedKeyMaterial: ofKey(),
  CreateAlias: {
    by: 'key and more',
    request: ({ keyId, aliasName }) => ({ targetKeyId: keyId, aliasName }),
  },
  UpdateAlias: {
    by: 'key and more',
    request: ({ keyId, aliasName }) => ({ targetKeyId: keyId, aliasName }),
  },
  DeleteAlias: { by: 'key and more', request: ({ aliasName }) => ({ aliasName }) },
  ListAliases: ofCaller(),
  TagResource: ofKey({ tags: [{ tagKey: 'a', tagValue: 'b' }] }),
  UntagResource: ofKey({ tagKeys: ['a'] }),
  ListResourceTags: ofKey(),
  PutKeyPolicy: ofKey({ policy: '{}' }),
  GetKeyPolicy: ofKey(),
  ListKeyPolicies: ofKey(),
  Encrypt: ofKey({ plaintext: bytes }),
  Decrypt: { by: 'key', request: ({ ciphertextBlob }) => ({ ciphertextBlob }) },
  ReEncrypt: {
    by: 'key',
    request: ({ keyId, ciphertextBlob }) => ({ destinationKeyId: keyId, ciphertextBlob }),
  },
  GenerateDataKey: ofKey({ keySpec: 'AES_256' }),
  GenerateDataKeyWithoutPlaintext: ofKey({ keySpec: 'AES_256' }),
  GenerateRandom: ofCaller({ numberOfBytes: 1 }),
  GenerateDataKeyPair: ofKey(pair),
  GenerateDataKeyPairWithoutPlaintext: ofKey(pair),
  Sign: ofKey({ message: bytes, signingAlgorithm: 'ECDSA_SHA_256' }),
  Verify: ofKey({ message: bytes, signature: bytes, signingAlgorithm: 'ECDSA_SHA_256' }),
  GenerateMac: ofKey({ message: bytes, macAlgorithm: 'HMAC_SHA_256' }),
  VerifyMac: ofKey({ message: bytes, mac: bytes, macAlgorithm: 'HMAC_SHA_256' }),
  GetPublicKey: ofKey(),
  DeriveSharedSecret: ofKey({ keyAgreementAlgorithm: 'ECDH', publicKey: bytes }),
  Encapsulate: ofKey({ encapsulationAlgorithm: 'ML_KEM' }),
  Decapsulate: ofKey({ encapsulationAlgorithm: 'ML_KEM', sharedSecretCiphertextBlob: bytes }),
  CreateGrant: ofKey({ granteePrincipal: arn('user/nobody'), operations: ['Decrypt'] }),
  ListGrants: ofKey(),
  ListRetirableGrants: ofCaller({ retiringPrincipal: arn('user/nobody') }),
  RetireGrant: { by: 'grant', request: ({ keyId, grantId }) => ({ keyId, grantId }) },
  RevokeGrant: ofKey({ grantId: '0'.repeat(64) }),
  CreateCustomKeyStore: ofCaller({ customKeyStoreName: 'x' }),
  UpdateCustomKeyStore: ofCaller({ customKeyStoreId }),
  DescribeCustomKeyStores: ofCaller(),
  ConnectCustomKeyStore: ofCaller({ customKeyStoreId }),
  DisconnectCustomKeyStore: ofCaller({ customKeyStoreId }),
  DeleteCustomKeyStore: ofCaller({ customKeyStoreId }),
  AdoptKey: ofCaller({ label: 'nothing' }),
  MigrateKey: { by: 'key and more', request: ({ keyId }) => ({ keyId }) },
  ArchiveAuditLog: ofCaller({ before: 0, directory: '/nothing' }),
  CreateBackup: ofCaller(),
  ReadBackup: ofCaller({ backupId: 'nothing', part: 0 }),
  SeedKey: ofCaller({ keyId: '00000000-0000-4000-8000-000000000000' }),
  CreateUser: ofCaller({ userName: 'root-made' }),
  GetUser: ofCaller(nobody),
  DeleteUser: ofCaller(nobody),
  ListUsers: ofCaller(),
  TagUser: ofCaller({ ...nobody, tags: [{ key: 'a', value: 'b' }] }),
  UntagUser: ofCaller({ ...nobody, tagKeys: ['a'] }),
  CreateRole: ofCaller({ roleName: 'x', assumeRolePolicyDocument: '{}' }),
  GetRole: ofCaller(noRole),
  DeleteRole: ofCaller(noRole),
  ListRoles: ofCaller(),
  UpdateAssumeRolePolicy: ofCaller({ ...noRole, policyDocument: '{}' }),
  TagRole: ofCaller({ ...noRole, tags: [{ key: 'a', value: 'b' }] }),
  UntagRole: ofCaller({ ...noRole, tagKeys: ['a'] }),
  CreatePolicy: ofCaller({ policyName: 'x', policyDocument: '{}' }),
  GetPolicy: ofCaller({ policyArn }),
  DeletePolicy: ofCaller({ policyArn }),
  ListPolicies: ofCaller(),
  CreatePolicyVersion: ofCaller({ policyArn, policyDocument: '{}' }),
  GetPolicyVersion: ofCaller({ policyArn, versionId: 'v1' }),
  ListPolicyVersions: ofCaller({ policyArn }),
  SetDefaultPolicyVersion: ofCaller({ policyArn, versionId: 'v1' }),
  DeletePolicyVersion: ofCaller({ policyArn, versionId: 'v1' }),
  AttachUserPolicy: ofCaller({ ...nobody, policyArn }),
  DetachUserPolicy: ofCaller({ ...nobody, policyArn }),
  AttachRolePolicy: ofCaller({ ...noRole, policyArn }),
  DetachRolePolicy: ofCaller({ ...noRole, policyArn }),
  PutUserPermissionsBoundary: ofCaller({ ...nobody, permissionsBoundary: policyArn }),
  DeleteUserPermissionsBoundary: ofCaller(nobody),
  PutRolePermissionsBoundary: ofCaller({ ...noRole, permissionsBoundary: policyArn }),
  DeleteRolePermissionsBoundary: ofCaller(noRole),
  ListAttachedUserPolicies: ofCaller(nobody),
  ListAttachedRolePolicies: ofCaller(noRole),
  CreateAccessKey: ofCaller(nobody),
  ListAccessKeys: ofCaller(nobody),
  UpdateAccessKey: ofCaller({ ...nobody, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA', status: 'Inactive' }),
  DeleteAccessKey: ofCaller({ ...nobody, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' }),
  PrepareRegionLink: ofCaller({ peerRegion: 'eu-central-1' }),
  CompleteRegionLink: ofCaller({
    peerRegion: 'eu-central-1',
    generation: 1,
    endpoint: 'wss://localhost:1',
    certificate: bytes,
    signingKey: bytes,
  }),
  ListRegionLinks: ofCaller(),
  DeleteRegionLink: ofCaller({ peerRegion: 'eu-central-1' }),
  GetStatus: ofCaller({}),
  QueryAudit: ofCaller({}),
  ExplainPolicy: ofCaller({ principal: 'user/nobody', action: 'kms:ListKeys' }),
  AssumeRole: {
    by: 'trust',
    request: () => ({ roleArn: arn('role/trusting'), roleSessionName: 'matrix' }),
  },
  GetCallerIdentity: { by: 'nothing', request: () => ({}) },
  GetSessionToken: { by: 'nothing', request: () => ({}) },
};

type Answer = 'in' | 'identity' | 'resource' | 'deny' | 'trust' | 'grant' | 'root' | 'uniform' | 'credential';

const messages: readonly [Answer, RegExp][] = [
  ['identity', /because no identity-based policy allows the \S+ action$/],
  ['resource', /because no resource-based policy allows the \S+ action$/],
  ['trust', /because no role trust policy allows the \S+ action$/],
  ['deny', /with an explicit deny in an identity-based policy$/],
  ['grant', /because the grant does not allow it$/],
  ['root', /^Roles may not be assumed by root accounts\.$/],
  ['uniform', /^The ciphertext refers to a customer master key that does not exist/],
  ['credential', /^The security token included in the request is invalid\.$/],
];

async function ask(client: Client, name: string, request: object): Promise<Answer> {
  const methods = client as unknown as Record<string, (request: object) => Promise<unknown>>;
  try {
    await methods[shapeByName.get(name)!.field]!(request);
    return 'in';
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === undefined) throw error;
    if (code !== 'AccessDeniedException' && code !== 'UnrecognizedClientException') return 'in';
    return messages.find(([, pattern]) => pattern.test(message))?.[0] ?? (message as Answer);
  }
}

/** Decrypt and ReEncrypt without a key ID: all their refusals look the same. */
const uniform = new Set(['Decrypt', 'ReEncrypt']);

void t.test('each operation can be called only by those whom its row allows', async (t) => {
  t.strictSame(Object.keys(rows).sort(), [...operationTable.keys()].sort(), 'each operation has a row');
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  t.teardown(() => root.close());

  /** Connected over TLS; the root uses the unix socket. */
  const user = async (userName: string, ...statements: object[]) => {
    await root.createUser({ userName });
    if (statements.length > 0) {
      const { policy } = await root.createPolicy({
        policyName: userName,
        policyDocument: document(...statements),
      });
      await root.attachUserPolicy({ userName, policyArn: policy.arn });
    }
    const { accessKeyId = '', secretAccessKey = '' } = (await root.createAccessKey({ userName })).accessKey;
    const client = await connect({
      url: daemon.wss,
      ca: daemon.ca,
      credentials: { accessKeyId, secretAccessKey },
    });
    t.teardown(() => client.close());
    return { client, accessKeyId };
  };
  const allowed = await user('allowed', statement('Allow'));
  const denied = await user('denied', statement('Allow'), statement('Deny'));
  const named = await user('named');
  const other = await user('other');
  await user('stranger');
  const disabled = await user('disabled', statement('Allow'));
  await root.updateAccessKey({
    userName: 'disabled',
    accessKeyId: disabled.accessKeyId,
    status: 'Inactive',
  });
  const trust = (principal: string) => ({
    Effect: 'Allow',
    Principal: { AWS: arn(principal) },
    Action: 'sts:AssumeRole',
  });
  await root.createRole({ roleName: 'trusting', assumeRolePolicyDocument: document(trust('root')) });

  const subject = async (...policy: object[]): Promise<Subject> => {
    const keyId = (await root.createKey({})).keyMetadata.keyId;
    const { ciphertextBlob } = await root.encrypt({ keyId, plaintext: bytes });
    const grant = { granteePrincipal: arn('user/stranger'), operations: ['Decrypt' as const] };
    const { grantId } = await root.createGrant({ keyId, ...grant });
    const bypassPolicyLockoutSafetyCheck = true;
    if (policy.length > 0)
      await root.putKeyPolicy({ keyId, policy: document(...policy), bypassPolicyLockoutSafetyCheck });
    return { keyId, aliasName: `alias/${keyId}`, ciphertextBlob: ciphertextBlob, grantId: grantId };
  };
  const ofAccount = { Principal: { AWS: arn('root') } };
  const plain = await subject();
  const naming = await subject(
    statement('Allow', ofAccount),
    statement('Allow', { Principal: { AWS: arn('user/named') } }),
  );
  const closed = await subject(
    statement('Allow', { Principal: { AWS: arn('user/other') } }),
    statement('Allow', { ...ofAccount, Action: ['kms:CreateAlias', 'kms:PutKeyPolicy', 'kms:CreateGrant'] }),
  );

  const grantee = await user('grantee');
  const constrained = await user('constrained');
  const inContext = ['Decrypt', 'Encrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext'] as const;
  const inContextToo = ['ReEncryptFrom', 'ReEncryptTo', 'GenerateDataKeyPair'] as const;
  const pairWithout = 'GenerateDataKeyPairWithoutPlaintext' as const;
  const cryptographic = [...inContext, ...inContextToo, pairWithout];
  await root.createGrant({
    keyId: plain.keyId,
    granteePrincipal: arn('user/grantee'),
    operations: [...cryptographic, 'DescribeKey', 'CreateGrant', 'RetireGrant'],
  });
  await root.createGrant({
    keyId: plain.keyId,
    granteePrincipal: arn('user/constrained'),
    operations: cryptographic,
    constraints: { encryptionContextEquals: { app: 'pay' } },
  });
  const granted = [
    ...inContext,
    'ReEncrypt',
    'GenerateDataKeyPair',
    pairWithout,
    'DescribeKey',
    'CreateGrant',
  ];

  /** Expected answers by what decides; `but` lists operations with another one. */
  interface Case {
    readonly title: string;
    readonly client: Client;
    readonly about: Subject;
    readonly answers: Readonly<Record<Row['by'], Answer>>;
    readonly but?: Readonly<Record<string, Answer>>;
  }
  const all = (answer: Answer) => ({
    key: answer,
    'key and more': answer,
    caller: answer,
    grant: answer,
    trust: answer,
    nothing: answer,
  });
  const nothing = 'in';
  const opened: Record<string, Answer> = { CreateAlias: 'in', PutKeyPolicy: 'in', CreateGrant: 'in' };
  const cases: readonly Case[] = [
    {
      title: 'a user whom an identity policy allows it',
      client: allowed.client,
      about: plain,
      answers: { ...all('in'), grant: 'grant' },
    },
    {
      title: 'a user whom the key policy names',
      client: named.client,
      about: naming,
      answers: { ...all('identity'), key: 'in', grant: 'grant', nothing },
    },
    {
      title: 'a user who is denied it',
      client: denied.client,
      about: plain,
      answers: { ...all('deny'), nothing },
    },
    {
      title: 'a user of whom no policy says anything',
      client: other.client,
      about: naming,
      answers: { ...all('identity'), nothing },
    },
    {
      title: 'a user whom only an identity policy allows it, where the key policy names others',
      client: allowed.client,
      about: closed,
      answers: { ...all('resource'), caller: 'in', trust: 'in', nothing },
      but: opened,
    },
    {
      title: 'the root, where the key policy names others',
      client: root,
      about: closed,
      answers: { ...all('resource'), caller: 'in', grant: 'in', trust: 'root', nothing },
      but: opened,
    },
    {
      title: 'a user with a grant',
      client: grantee.client,
      about: plain,
      answers: { ...all('identity'), nothing },
      but: Object.fromEntries(granted.map((name) => [name, 'in' as const])),
    },
    {
      title: 'a user with a grant for another encryption context',
      client: constrained.client,
      about: plain,
      answers: { ...all('identity'), nothing },
    },
    {
      title: 'an access key that was deactivated',
      client: disabled.client,
      about: plain,
      answers: all('credential'),
    },
    // Last, because it retires the grant.
    { title: 'the root', client: root, about: plain, answers: { ...all('in'), trust: 'root' } },
  ];
  for (const { title, client, about, answers, but = {} } of cases) {
    await t.test(title, async (t) => {
      for (const [name, { by, request }] of Object.entries(rows)) {
        if (by === 'key and more') await ask(root, 'CreateAlias', rows.CreateAlias!.request(about));
        const answer = but[name] ?? answers[by];
        const shown = uniform.has(name) && !['in', 'credential'].includes(answer) ? 'uniform' : answer;
        t.equal(await ask(client, name, request(about)), shown, name);
      }
    });
  }
});
