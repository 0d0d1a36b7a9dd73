// What grants allow, to whom, and who may create and retire them.
import t from 'tap';
import type { Client } from '../../../client/index.js';
import type { CreateGrantRequest } from '../../../proto/generated/messages.js';
import { TestDaemon } from '../../support/daemon.js';

const account = '000000000000';
const arn = (resource: string) => `arn:aws:iam::${account}:${resource}`;
const document = (...statements: object[]) =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });
const plaintext = Buffer.from('plaintext');
const denied = { code: 'AccessDeniedException' };

void t.test('grants', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  const clients: Client[] = [root];
  t.teardown(() => Promise.all(clients.map((client) => client.close())));

  const userClient = async (userName: string) => {
    await root.createUser({ userName });
    const { accessKeyId = '', secretAccessKey = '' } = (await root.createAccessKey({ userName })).accessKey;
    const client = await daemon.connect({ credentials: { accessKeyId, secretAccessKey } });
    clients.push(client);
    return client;
  };
  const attach = async (userName: string, ...statements: object[]) => {
    const policyName = `p${Math.random().toString(36).slice(2)}`;
    const { policy } = await root.createPolicy({ policyName, policyDocument: document(...statements) });
    await root.attachUserPolicy({ userName, policyArn: policy.arn });
    return () => root.detachUserPolicy({ userName, policyArn: policy.arn });
  };
  const newKey = async (more = {}) => (await root.createKey(more)).keyMetadata.keyId;
  const grant = async (keyId: string, grantee: string, more: Partial<CreateGrantRequest> = {}) =>
    root.createGrant({ keyId, granteePrincipal: arn(grantee), operations: ['Encrypt'], ...more });

  const alice = await userClient('alice');
  const bob = await userClient('bob');
  await root.createRole({
    roleName: 'worker',
    assumeRolePolicyDocument: document({
      Effect: 'Allow',
      Principal: { AWS: arn('user/alice') },
      Action: 'sts:AssumeRole',
    }),
  });
  const session = async (roleSessionName: string) => {
    const { credentials } = await alice.assumeRole({ roleArn: arn('role/worker'), roleSessionName });
    const { accessKeyId = '', secretAccessKey = '', sessionToken = '' } = credentials;
    const client = await daemon.connect({ credentials: { accessKeyId, secretAccessKey, sessionToken } });
    clients.push(client);
    return client;
  };

  await t.test(
    'a grant allows its grantee its operations on its key, from creation until it is revoked',
    async (t) => {
      const keyId = await newKey();
      const other = await newKey();
      await t.rejects(alice.encrypt({ keyId, plaintext }), denied);
      const { grantId = '', grantToken = '' } = await grant(keyId, 'user/alice');
      const { ciphertextBlob } = await alice.encrypt({ keyId, plaintext });
      t.ok(await alice.encrypt({ keyId, plaintext, grantTokens: [grantToken] }));
      await t.rejects(alice.decrypt({ ciphertextBlob }), denied);
      await t.rejects(alice.describeKey({ keyId }), denied);
      await t.rejects(alice.generateDataKey({ keyId, keySpec: 'AES_256' }), denied);
      await t.rejects(alice.listGrants({ keyId }), denied);
      await t.rejects(alice.encrypt({ keyId: other, plaintext }), denied);
      await t.rejects(bob.encrypt({ keyId, plaintext }), denied);
      await t.rejects(
        bob.encrypt({ keyId, plaintext, grantTokens: [grantToken] }),
        denied,
        'a grant token alone allows another principal nothing',
      );
      const decrypting = await grant(keyId, 'user/alice', { operations: ['Decrypt', 'DescribeKey'] });
      t.match(await alice.decrypt({ ciphertextBlob }), { plaintext });
      t.ok(await alice.describeKey({ keyId }));
      await root.revokeGrant({ keyId, grantId });
      await t.rejects(alice.encrypt({ keyId, plaintext }), denied);
      await t.rejects(
        alice.encrypt({ keyId, plaintext, grantTokens: [grantToken] }),
        denied,
        'the token of a revoked grant allows nothing',
      );
      t.ok(await alice.decrypt({ ciphertextBlob }));
      await root.retireGrant({ grantToken: decrypting.grantToken });
      await t.rejects(alice.decrypt({ ciphertextBlob }), denied);
    },
  );

  await t.test('constraints apply to operations with an encryption context, and to no others', async (t) => {
    const keyId = await newKey();
    const operations: CreateGrantRequest['operations'] = [
      'Encrypt',
      'Decrypt',
      'GenerateDataKey',
      'DescribeKey',
    ];
    const equals = await grant(keyId, 'user/alice', {
      operations,
      constraints: { encryptionContextEquals: { a: '1', b: '2' } },
    });
    const encrypt = (encryptionContext?: Record<string, string>) =>
      alice.encrypt({ keyId, plaintext, encryptionContext });
    const { ciphertextBlob } = await encrypt({ b: '2', a: '1' });
    const others: (Record<string, string> | undefined)[] = [
      undefined,
      { a: '1' },
      { a: '1', b: '2', c: '3' },
      { a: '1', b: '3' },
      { A: '1', b: '2' },
    ];
    for (const context of others) await t.rejects(encrypt(context), denied, JSON.stringify(context));
    t.ok(await alice.describeKey({ keyId }));
    t.ok(await alice.generateDataKey({ keyId, keySpec: 'AES_256', encryptionContext: { a: '1', b: '2' } }));
    await t.rejects(alice.generateDataKey({ keyId, keySpec: 'AES_256' }), denied);
    await root.revokeGrant({ keyId, grantId: equals.grantId });
    await grant(keyId, 'user/alice', { operations, constraints: { encryptionContextSubset: { a: '1' } } });
    t.ok(await alice.decrypt({ ciphertextBlob, encryptionContext: { a: '1', b: '2' } }));
    t.ok(await encrypt({ a: '1' }));
    const without: typeof others = [undefined, { b: '2' }, { a: '2', b: '1' }, { A: '1' }];
    for (const context of without) await t.rejects(encrypt(context), denied, JSON.stringify(context));
  });

  await t.test('ReEncrypt needs a grant for each side, each with its own context', async (t) => {
    const from = await newKey();
    const to = await newKey();
    const { ciphertextBlob } = await root.encrypt({ keyId: from, plaintext, encryptionContext: { a: '1' } });
    const request = {
      ciphertextBlob: ciphertextBlob,
      destinationKeyId: to,
      sourceEncryptionContext: { a: '1' },
      destinationEncryptionContext: { b: '2' },
    };
    await grant(to, 'user/alice', {
      operations: ['ReEncryptTo'],
      constraints: { encryptionContextEquals: { b: '2' } },
    });
    await t.rejects(alice.reEncrypt(request), denied);
    await grant(from, 'user/alice', {
      operations: ['ReEncryptFrom'],
      constraints: { encryptionContextEquals: { a: '1' } },
    });
    t.ok(await alice.reEncrypt(request));
    await t.rejects(alice.reEncrypt({ ...request, destinationEncryptionContext: { a: '1' } }), denied);
  });

  await t.test('a grant to a role is for all its sessions, one to a session for that one only', async (t) => {
    const [one, two] = [await session('one'), await session('two')];
    const keyId = await newKey({ keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' });
    const sign = (client: Client) =>
      client.sign({ keyId, message: plaintext, signingAlgorithm: 'ECDSA_SHA_256' });
    await root.createGrant({
      keyId,
      granteePrincipal: `arn:aws:sts::${account}:assumed-role/worker/one`,
      operations: ['Sign'],
    });
    t.ok(await sign(one));
    await t.rejects(sign(two), denied);
    await t.rejects(sign(alice), denied);
    await grant(keyId, 'role/worker', { operations: ['Sign'] });
    t.ok(await sign(two));
  });

  await t.test('a deny of a policy overrides a grant', async (t) => {
    const keyId = await newKey();
    await grant(keyId, 'user/bob');
    const detach = await attach('bob', { Effect: 'Deny', Action: 'kms:Encrypt', Resource: '*' });
    await t.rejects(bob.encrypt({ keyId, plaintext }), {
      ...denied,
      message: /with an explicit deny in an identity-based policy/,
    });
    await detach();
    t.ok(await bob.encrypt({ keyId, plaintext }));
  });

  await t.test('a new user with the name of a deleted grantee has none of its grants', async (t) => {
    const keyId = await newKey();
    await root.createUser({ userName: 'brief' });
    await grant(keyId, 'user/brief', {
      operations: ['Encrypt', 'RetireGrant'],
      retiringPrincipal: arn('user/brief'),
    });
    await root.deleteUser({ userName: 'brief' });
    const brief = await userClient('brief');
    await t.rejects(brief.encrypt({ keyId, plaintext }), denied);
    const [{ grantId } = {}] = (await root.listGrants({ keyId })).grants;
    await t.rejects(brief.retireGrant({ keyId, grantId }), denied);
  });

  await t.test('a grant allows creating only narrower grants', async (t) => {
    const keyId = await newKey();
    await grant(keyId, 'user/alice', {
      operations: ['CreateGrant', 'Encrypt', 'Decrypt'],
      constraints: { encryptionContextSubset: { a: '1' } },
    });
    const child = (more: Partial<CreateGrantRequest>) =>
      alice.createGrant({
        keyId,
        granteePrincipal: arn('user/bob'),
        operations: ['Encrypt'],
        constraints: { encryptionContextSubset: { a: '1' } },
        ...more,
      });
    const narrower: Partial<CreateGrantRequest>[] = [
      {},
      { operations: ['Encrypt', 'Decrypt', 'CreateGrant'] },
      { constraints: { encryptionContextSubset: { a: '1', b: '2' } } },
      { constraints: { encryptionContextEquals: { a: '1' } } },
    ];
    for (const more of narrower) t.ok(await child(more), JSON.stringify(more));
    const wider: Partial<CreateGrantRequest>[] = [
      { operations: ['Encrypt', 'GenerateDataKey'] },
      { operations: ['DescribeKey'] },
      { operations: ['RetireGrant'] },
      { constraints: undefined },
      { constraints: { encryptionContextSubset: { b: '2' } } },
      { constraints: { encryptionContextEquals: { a: '2' } } },
      { keyId: await newKey() },
    ];
    for (const more of wider) await t.rejects(child(more), denied, JSON.stringify(more));
    t.ok(await bob.encrypt({ keyId, plaintext, encryptionContext: { a: '1' } }));
    const grandchild = {
      keyId,
      granteePrincipal: arn('user/alice'),
      constraints: { encryptionContextEquals: { a: '1' } },
    };
    t.ok(
      await bob.createGrant({ ...grandchild, operations: ['Decrypt'] }),
      'a child grant may pass on its operations',
    );
    await t.rejects(bob.createGrant({ ...grandchild, operations: ['GenerateDataKey'] }), denied);
    await grant(keyId, 'user/alice', { operations: ['CreateGrant', 'GenerateDataKey'] });
    t.ok(await child({ operations: ['GenerateDataKey'], constraints: undefined }));
    await t.rejects(
      child({ operations: ['GenerateDataKey', 'Encrypt'] }),
      denied,
      'the operations of two grants are not combined',
    );
  });

  await t.test('a grant is retired by its principals, by the account root, and by nobody else', async (t) => {
    const keyId = await newKey();
    await attach('bob', { Effect: 'Allow', Action: 'kms:*', Resource: '*' });
    const worker = await session('retiring');
    const own = await grant(keyId, 'user/alice', {
      operations: ['Encrypt', 'RetireGrant'],
      retiringPrincipal: arn('role/worker'),
    });
    const plain = await grant(keyId, 'user/alice');
    const ofBob = await grant(keyId, 'user/bob', { operations: ['Encrypt'] });
    const no = async (client: Client, { grantId, grantToken }: typeof own) => {
      await t.rejects(client.retireGrant({ keyId, grantId }), denied);
      await t.rejects(client.retireGrant({ grantToken }), denied);
    };
    await no(bob, own);
    await no(bob, ofBob);
    await no(alice, plain);
    await no(worker, plain);
    await t.rejects(worker.revokeGrant({ keyId, grantId: own.grantId }), denied);
    await t.rejects(alice.retireGrant({ grantToken: own.grantToken, dryRun: true }), {
      code: 'DryRunOperationException',
    });
    await worker.retireGrant({ keyId, grantId: own.grantId });
    await no(bob, plain);
    const again = await grant(keyId, 'user/alice', { operations: ['RetireGrant'] });
    const detach = await attach('alice', { Effect: 'Deny', Action: 'kms:RetireGrant', Resource: '*' });
    await no(alice, again);
    await detach();
    await alice.retireGrant({ grantToken: again.grantToken });
    await root.retireGrant({ grantToken: plain.grantToken });
    await bob.revokeGrant({ keyId, grantId: ofBob.grantId });
    t.same((await root.listGrants({ keyId })).grants, []);
    t.ok(await bob.listRetirableGrants({ retiringPrincipal: arn('role/worker') }));
    await t.rejects(alice.listRetirableGrants({ retiringPrincipal: arn('user/alice') }), denied);
  });

  await t.test('policies see the parameters of a new grant', async (t) => {
    const keyId = await newKey();
    const carol = await userClient('carol');
    const create = (more: Partial<CreateGrantRequest> = {}) =>
      carol.createGrant({
        keyId,
        granteePrincipal: arn('user/bob'),
        retiringPrincipal: arn('role/worker'),
        operations: ['Encrypt', 'Decrypt'],
        constraints: { encryptionContextEquals: { App: 'x' } },
        ...more,
      });
    await attach('carol', {
      Effect: 'Allow',
      Action: 'kms:CreateGrant',
      Resource: '*',
      Condition: {
        'ForAllValues:StringEquals': {
          'kms:GrantOperations': ['Encrypt', 'Decrypt', 'DescribeKey'],
          'kms:EncryptionContextKeys': ['App'],
        },
        StringEquals: {
          'kms:GranteePrincipal': arn('user/bob'),
          'kms:RetiringPrincipal': arn('role/worker'),
          'kms:GrantConstraintType': 'EncryptionContextEquals',
          'kms:EncryptionContext:App': 'x',
        },
        Bool: { 'kms:GrantIsForAWSResource': 'false' },
      },
    });
    const { grantToken } = await create();
    const other: Partial<CreateGrantRequest>[] = [
      { granteePrincipal: arn('user/alice') },
      { retiringPrincipal: undefined },
      { operations: ['Encrypt', 'GenerateDataKey'] },
      { constraints: undefined },
      { constraints: { encryptionContextSubset: { App: 'x' } } },
      { constraints: { encryptionContextEquals: { App: 'y' } } },
      { constraints: { encryptionContextEquals: { App: 'x', other: 'x' } } },
    ];
    for (const more of other) await t.rejects(create(more), denied, JSON.stringify(more));
    await root.putKeyPolicy({
      keyId,
      policy: document(
        { Effect: 'Allow', Principal: { AWS: arn('root') }, Action: 'kms:*', Resource: '*' },
        {
          Effect: 'Deny',
          Principal: '*',
          Action: 'kms:RetireGrant',
          Resource: '*',
          Condition: {
            StringEquals: {
              'kms:GrantConstraintType': 'EncryptionContextEquals',
              'kms:EncryptionContext:App': 'x',
            },
          },
        },
      ),
    });
    await t.rejects(root.retireGrant({ grantToken }), {
      message: /explicit deny in a resource-based policy/,
    });
  });
});
