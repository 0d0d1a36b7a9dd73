// Key policies are put, read and enforced; conditions and tags of each request; explanations; recovery from a lockout.
import t from 'tap';
import { type Client, connect } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';

const account = '000000000000';
const arn = (resource: string) => `arn:aws:iam::${account}:${resource}`;
const document = (...statements: object[]) =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });
const allow = (principal: string | undefined, more: object = {}) => ({
  Effect: 'Allow',
  ...(principal !== undefined && { Principal: { AWS: arn(principal) } }),
  Action: 'kms:*',
  Resource: '*',
  ...more,
});
const ofAccount = allow('root');
const plaintext = Buffer.from('a secret');
const denied = { code: 'AccessDeniedException' };
const malformed = { code: 'MalformedPolicyDocumentException' };

void t.test('key policies', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  t.teardown(() => root.close());
  const accessKey = async (userName: string) => {
    const { accessKeyId = '', secretAccessKey = '' } = (await root.createAccessKey({ userName })).accessKey;
    return { accessKeyId, secretAccessKey };
  };
  const user = async (userName: string) => {
    await root.createUser({ userName });
    const client = await daemon.connect({ credentials: await accessKey(userName) });
    t.teardown(() => client.close());
    return client;
  };
  const managed = async (policyName: string, ...statements: object[]) => {
    const made = await root.createPolicy({ policyName, policyDocument: document(...statements) });
    return made.policy.arn;
  };
  const newKey = async (...statements: object[]) => {
    const keyId = (await root.createKey({})).keyMetadata.keyId;
    if (statements.length > 0) await root.putKeyPolicy({ keyId, policy: document(...statements) });
    return keyId;
  };
  const encrypt = (client: Client, keyId: string, encryptionContext?: Record<string, string>) =>
    client.encrypt({ keyId, plaintext, encryptionContext });
  const alice = await user('alice');
  const bob = await user('bob');

  await t.test('are kept byte for byte, and have the name default', async (t) => {
    const keyId = await newKey();
    t.match(JSON.parse((await root.getKeyPolicy({ keyId })).policy), { Id: 'key-default-1' });
    const policy = `{ "Version":"2012-10-17",\n\t"Statement": [ ${JSON.stringify(ofAccount)} ] }\n`;
    await root.putKeyPolicy({ keyId, policyName: 'default', policy });
    t.same(await root.getKeyPolicy({ keyId }), { policy, policyName: 'default' });
    t.match(await root.listKeyPolicies({ keyId }), { policyNames: ['default'], truncated: false });
    for (const policyName of ['other', 'Default']) {
      const missing = { code: 'NotFoundException', message: 'No such policy exists' };
      await t.rejects(root.getKeyPolicy({ keyId, policyName }), missing);
      await t.rejects(root.putKeyPolicy({ keyId, policyName, policy }), missing);
    }
    t.match(daemon.events('PutKeyPolicy')[0], {
      requestParameters: { keyId, policy },
      readOnly: false,
      resources: [{ ARN: new RegExp(keyId) }],
    });
  });

  await t.test('that are malformed, too long or name a missing principal are refused', async (t) => {
    const keyId = await newKey();
    const before = await root.getKeyPolicy({ keyId });
    for (const policy of ['{', '{}', document({ ...ofAccount, Effect: 'allow' })])
      await t.rejects(root.putKeyPolicy({ keyId, policy }), malformed, policy);
    await t.rejects(root.putKeyPolicy({ keyId, policy: document(ofAccount, allow('user/nobody')) }), {
      ...malformed,
      message: 'Policy contains a statement with one or more invalid principals.',
    });
    await t.rejects(root.createKey({ policy: document(ofAccount, allow('role/nothing')) }), malformed);
    await t.rejects(root.putKeyPolicy({ keyId, policy: `${document(ofAccount)}${' '.repeat(32_768)}` }), {
      code: 'LimitExceededException',
    });
    t.same(await root.getKeyPolicy({ keyId }), before);
  });

  await t.test('that lock the caller out are refused unless the check is bypassed', async (t) => {
    const keyId = await newKey();
    const policy = document(allow('user/alice'));
    const lockout = {
      ...malformed,
      message: /^The new key policy will not allow you to update the key policy/,
    };
    await t.rejects(root.putKeyPolicy({ keyId, policy }), lockout);
    await t.rejects(root.createKey({ policy }), lockout);
    const noMore = document({ ...ofAccount, Effect: 'Deny', Action: 'kms:PutKeyPolicy' }, ofAccount);
    await t.rejects(root.putKeyPolicy({ keyId, policy: noMore }), lockout);
    const insist = { policy, bypassPolicyLockoutSafetyCheck: true };
    await root.putKeyPolicy({ keyId, ...insist });
    await t.rejects(root.describeKey({ keyId }), { message: /no resource-based policy/ });
    await alice.putKeyPolicy({ keyId, policy: document(ofAccount, allow('user/alice')) });
    t.ok(await root.describeKey({ keyId }));
    const made = (await root.createKey(insist)).keyMetadata.keyId;
    await t.rejects(encrypt(root, made), denied);
    t.ok(await encrypt(alice, made));
  });

  await t.test('bind the principal that had the name when they were put', async (t) => {
    const first = await user('carol');
    await root.createRole({ roleName: 'job', assumeRolePolicyDocument: trusting('user/alice') });
    const keyId = await newKey(ofAccount, allow('user/carol'), allow('role/job'));
    const assumed = async () => {
      const request = { roleArn: arn('role/job'), roleSessionName: 'one' };
      const {
        accessKeyId = '',
        secretAccessKey = '',
        sessionToken,
      } = (await alice.assumeRole(request)).credentials;
      return daemon.connect({ credentials: { accessKeyId, secretAccessKey, sessionToken: sessionToken } });
    };
    const session = await assumed();
    t.ok(await encrypt(first, keyId));
    t.ok(await encrypt(session, keyId));
    const policy = (await root.getKeyPolicy({ keyId })).policy;
    const { accessKeyMetadata } = await root.listAccessKeys({ userName: 'carol' });
    await root.deleteAccessKey({ userName: 'carol', accessKeyId: accessKeyMetadata[0]!.accessKeyId });
    await root.deleteUser({ userName: 'carol' });
    await root.deleteRole({ roleName: 'job' });
    await t.rejects(encrypt(first, keyId), { code: 'UnrecognizedClientException' });
    const second = await user('carol');
    await root.createRole({ roleName: 'job', assumeRolePolicyDocument: trusting('user/alice') });
    const anew = await assumed();
    await t.rejects(encrypt(second, keyId), denied);
    await t.rejects(encrypt(anew, keyId), denied);
    await root.putKeyPolicy({ keyId, policy });
    t.ok(await encrypt(second, keyId));
    t.ok(await encrypt(anew, keyId));
    await Promise.all([session.close(), anew.close()]);
  });

  await t.test(
    "decide by the request's encryption context, with the case of its names and values as sent",
    async (t) => {
      const Condition = { StringEquals: { 'kms:EncryptionContext:Dept': 'IT' } };
      const keyId = await newKey(
        ofAccount,
        allow('user/alice', { Action: ['kms:Encrypt', 'kms:Decrypt'], Condition }),
      );
      const { ciphertextBlob } = await encrypt(alice, keyId, { dept: 'IT' });
      await t.rejects(encrypt(alice, keyId, { dept: 'it' }), denied);
      await t.rejects(encrypt(alice, keyId), denied);
      t.same(
        Buffer.from((await alice.decrypt({ ciphertextBlob, encryptionContext: { dept: 'IT' } })).plaintext),
        plaintext,
      );
      await t.rejects(alice.decrypt({ ciphertextBlob }), {
        ...denied,
        message: /^The ciphertext refers to a customer master key that does not exist/,
      });
      await t.rejects(bob.decrypt({ ciphertextBlob: ciphertextBlob, keyId }), {
        message: /no identity-based policy/,
      });
    },
  );

  await t.test('and by alias and address, each as in the current request', async (t) => {
    const keyId = await newKey(
      ofAccount,
      allow('user/alice', {
        Action: 'kms:Encrypt',
        Condition: { StringEquals: { 'kms:RequestAlias': 'alias/front' } },
      }),
      allow('user/bob', {
        Action: 'kms:Encrypt',
        Condition: { IpAddress: { 'aws:SourceIp': '127.0.0.0/8' } },
      }),
    );
    await root.createAlias({ aliasName: 'alias/front', targetKeyId: keyId });
    t.ok(await encrypt(alice, 'alias/front'));
    await t.rejects(encrypt(alice, keyId), denied);
    await t.rejects(encrypt(bob, keyId), denied, 'a request over the unix socket has no address');
    await root.createAccessKey({ userName: 'bob' }).then(async ({ accessKey }) => {
      const { accessKeyId = '', secretAccessKey = '' } = accessKey;
      const overTls = await connect({
        url: daemon.wss,
        ca: daemon.ca,
        credentials: { accessKeyId, secretAccessKey },
      });
      t.ok(await encrypt(overTls, keyId));
      await overTls.close();
    });
  });

  await t.test(
    'changes of tags and aliases of keys and users take effect with the next request',
    async (t) => {
      const dave = await user('dave');
      const keyId = await newKey();
      const same = { StringEquals: { 'aws:ResourceTag/team': '${aws:PrincipalTag/team}' } };
      const aliased = { 'ForAnyValue:StringLike': { 'kms:ResourceAliases': 'alias/app/*' } };
      const policyArn = await managed(
        'abac',
        allow(undefined, { Action: 'kms:Encrypt', Condition: same }),
        allow(undefined, { Action: 'kms:DescribeKey', Condition: aliased }),
        allow(undefined, {
          Action: 'kms:TagResource',
          Condition: {
            'ForAllValues:StringEquals': { 'aws:TagKeys': ['cost'] },
            Null: { 'aws:TagKeys': 'false' },
          },
        }),
      );
      await root.attachUserPolicy({ userName: 'dave', policyArn });
      await t.rejects(encrypt(dave, keyId), denied);
      await root.tagResource({ keyId, tags: [{ tagKey: 'team', tagValue: 'red' }] });
      await t.rejects(encrypt(dave, keyId), denied);
      await root.tagUser({ userName: 'dave', tags: [{ key: 'Team', value: 'red' }] });
      t.ok(await encrypt(dave, keyId));
      await root.untagResource({ keyId, tagKeys: ['team'] });
      await t.rejects(encrypt(dave, keyId), denied);

      await t.rejects(dave.describeKey({ keyId }), denied);
      await root.createAlias({ aliasName: 'alias/app/one', targetKeyId: keyId });
      t.ok(await dave.describeKey({ keyId }));
      await root.deleteAlias({ aliasName: 'alias/app/one' });
      await t.rejects(dave.describeKey({ keyId }), denied);

      await dave.tagResource({ keyId, tags: [{ tagKey: 'cost', tagValue: '1' }] });
      await t.rejects(dave.tagResource({ keyId, tags: [{ tagKey: 'team', tagValue: 'red' }] }), denied);
      await root.detachUserPolicy({ userName: 'dave', policyArn });
      await t.rejects(dave.tagResource({ keyId, tags: [{ tagKey: 'cost', tagValue: '2' }] }), denied);
    },
  );

  await t.test('allow a user despite boundary and session policies; a role is limited by both', async (t) => {
    await root.createRole({ roleName: 'worker', assumeRolePolicyDocument: trusting('user/alice') });
    const keyId = await newKey(ofAccount, allow('role/worker'), allow('user/alice'));
    const session = async (policy?: string) => {
      const request = { roleArn: arn('role/worker'), roleSessionName: 'one', policy };
      const {
        accessKeyId = '',
        secretAccessKey = '',
        sessionToken,
      } = (await alice.assumeRole(request)).credentials;
      const client = await daemon.connect({
        credentials: { accessKeyId, secretAccessKey, sessionToken: sessionToken },
      });
      t.teardown(() => client.close());
      return client;
    };
    const describes = document(allow(undefined, { Action: 'kms:DescribeKey' }));
    const [free, bounded] = [await session(), await session(describes)];
    t.ok(await encrypt(free, keyId));
    await t.rejects(encrypt(bounded, keyId), {
      message: /no session policy allows the kms:Encrypt action/,
    });
    t.ok(await bounded.describeKey({ keyId }));
    const boundary = await managed('boundary', allow(undefined, { Action: 'kms:DescribeKey' }));
    await root.putRolePermissionsBoundary({ roleName: 'worker', permissionsBoundary: boundary });
    await root.putUserPermissionsBoundary({ userName: 'alice', permissionsBoundary: boundary });
    await t.rejects(encrypt(free, keyId), { message: /no permissions boundary/ });
    t.ok(await encrypt(alice, keyId));
    await root.deleteUserPermissionsBoundary({ userName: 'alice' });
  });

  await t.test('are explained with the statement that decides, in agreement with the decision', async (t) => {
    const Condition = { StringEquals: { 'kms:EncryptionContext:app': 'pay' } };
    const keyId = await newKey(
      ofAccount,
      allow('user/bob', { Sid: 'Pay', Action: 'kms:Encrypt', Condition }),
    );
    await root.createAlias({ aliasName: 'alias/pay', targetKeyId: keyId });
    const explain = async (...args: string[]) => {
      const { code, stdout, stderr } = await daemon.cli(['policy', 'explain', ...args]);
      return code === 0
        ? (JSON.parse(stdout) as { Decision: string; Reason: string; Message?: string })
        : stderr;
    };
    const ask = (principal: string, action: string, ...more: string[]) =>
      explain('--principal', principal, '--action', action, '--key', 'alias/pay', ...more);
    t.same(await ask('user/bob', 'kms:Encrypt', '--context', 'kms:EncryptionContext:App=pay'), {
      Decision: 'ALLOWED',
      Reason: 'Statement[1] ("Pay") of key policy allows it.',
      NearMisses: [],
    });
    const refused = await bob.encrypt({ keyId, plaintext }).catch((error: Error) => error.message);
    t.same(await ask(arn('user/bob'), 'kms:encrypt'), {
      Decision: 'IMPLICIT_DENY',
      Reason: 'No identity-based policy allows it.',
      Message: refused,
      NearMisses: [
        {
          Policy: 'key policy',
          Statement: 'Statement[1]',
          Sid: 'Pay',
          Effect: 'Allow',
          Applies: false,
          Differences: [
            {
              Element: 'Condition',
              ConditionKey: 'kms:EncryptionContext:app',
              ConditionOperator: 'StringEquals',
              PolicyValues: ['pay'],
            },
          ],
          Explanation:
            'Statement[1] ("Pay") of key policy would allow kms:Encrypt, but kms:EncryptionContext:app is absent and must be "pay".',
        },
      ],
    });
    t.match(await ask('root', 'kms:PutKeyPolicy'), {
      Decision: 'ALLOWED',
      Reason: /^Statement\[0\] of key policy .*allows it/,
    });
    const { grantId } = await root.createGrant({
      keyId,
      granteePrincipal: arn('user/bob'),
      operations: ['Decrypt'],
    });
    t.match(await ask('user/bob', 'kms:Decrypt'), {
      Decision: 'ALLOWED',
      Reason: `Grant ${grantId} allows it.`,
    });
    const policyArn = await managed('no-aliases', allow(undefined, { Effect: 'Deny', Action: 'kms:*Alias' }));
    await root.attachUserPolicy({ userName: 'bob', policyArn });
    t.match(await explain('--principal', 'user/bob', '--action', 'kms:CreateAlias', '--resource', '*'), {
      Decision: 'EXPLICIT_DENY',
      Reason: `Statement[0] of ${policyArn} denies it.`,
    });
    t.match(
      await explain(
        '--principal',
        'user/alice',
        '--action',
        'sts:AssumeRole',
        '--resource',
        arn('role/worker'),
      ),
      {
        Decision: 'ALLOWED',
        Reason: 'Statement[0] of trust policy allows it.',
      },
    );
    t.match(await ask('role/worker', 'kms:Encrypt'), { Decision: 'IMPLICIT_DENY' });
    t.match(await ask('user/nobody', 'kms:Encrypt'), /NoSuchEntityException/);
    t.match(await ask('user/bob', 'kms:Nothing'), /There is no action/);
    t.match(await explain('--principal', 'user/bob', '--action', 'kms:Encrypt'), /say which by KeyId/);
    await t.rejects(bob.explainPolicy({ principal: 'user/alice', action: 'kms:ListKeys' }), denied);
  });

  await t.test("of services' keys cannot be changed", async (t) => {
    const { keyId } = (await root.describeKey({ keyId: 'alias/aws/s3' })).keyMetadata;
    const put = root.putKeyPolicy({
      keyId: keyId,
      policy: document(ofAccount),
      bypassPolicyLockoutSafetyCheck: true,
    });
    await t.rejects(put, denied);
  });

  await t.test('that lock everybody out are replaced on the machine, with the daemon stopped', async (t) => {
    const { keyId: ofService } = (await root.describeKey({ keyId: 'alias/aws/s3' })).keyMetadata;
    const locked = document(allow('user/bob', { Action: 'kms:Encrypt' }));
    const { keyMetadata } = await root.createKey({ policy: locked, bypassPolicyLockoutSafetyCheck: true });
    const keyId = keyMetadata.keyId;
    const recover = (key: string) => daemon.cli(['recover', 'key-policy', '--yes', key]);
    t.match(await recover(keyId), { code: 1, stderr: /stop that one first/ });
    await daemon.stop();
    t.match(await recover('1234abcd-12ab-34cd-56ef-1234567890ab'), { code: 1, stderr: /does not exist/ });
    t.match(await recover(ofService), { code: 1, stderr: /is an AWS managed key/ });
    t.match(await daemon.cli(['recover', 'key-policy', keyId]), {
      code: 2,
      stderr: /--yes agrees to it. The policy of arn:.* is replaced/,
    });
    t.match(await recover(keyId), {
      code: 0,
      stdout: new RegExp(`${keyId} has the default key policy again`),
    });
    await daemon.start();
    const again = await daemon.connect();
    t.match(JSON.parse((await again.getKeyPolicy({ keyId })).policy), { Id: 'key-default-1' });
    await again.close();
    t.match(daemon.events('RecoverKeyPolicy'), [
      {
        userIdentity: { type: 'AWSService' },
        serviceEventDetails: { keyId, replacedPolicy: locked },
        resources: [{ ARN: new RegExp(keyId) }],
      },
    ]);
    t.match(await daemon.cli(['audit', 'verify']), { code: 0 });
  });
});

function trusting(principal: string): string {
  return document({ Effect: 'Allow', Principal: { AWS: arn(principal) }, Action: 'sts:AssumeRole' });
}
