// Users, roles, managed policies and access keys, as IAM has them.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { upgrade } from '../../support/wire/upgrade.js';

const account = '000000000000';
const allowAll = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
});
const trust = JSON.stringify(
  {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'sts:AssumeRole' },
    ],
  },
  null,
  1,
);

void t.test('identities', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());

  await t.test(
    'a user is described as IAM describes it, and its name differs by more than case',
    async (t) => {
      const { user } = await client.createUser({
        userName: 'Alice',
        path: '/team/',
        tags: [{ key: 'Team', value: 'red' }],
      });
      t.match(user, {
        userName: 'Alice',
        path: '/team/',
        userId: /^AIDA[A-Z2-7]{17}$/,
        arn: `arn:aws:iam::${account}:user/team/Alice`,
        tags: [{ key: 'Team', value: 'red' }],
      });
      t.ok(Math.abs(user.createDate - Date.now() / 1000) < 60);
      t.same((await client.getUser({ userName: 'alice' })).user, user);
      for (const userName of ['Alice', 'aLICE'])
        await t.rejects(client.createUser({ userName }), { code: 'EntityAlreadyExistsException' }, userName);
      await t.rejects(client.getUser({ userName: 'nobody' }), {
        code: 'NoSuchEntityException',
        message: 'The user with name nobody cannot be found.',
      });
      for (const userName of ['', 'a b', 'x'.repeat(65), 'a/b'])
        await t.rejects(client.createUser({ userName }), { code: 'ValidationException' }, userName);
      await t.rejects(client.createUser({ userName: 'x', path: 'team' }), { code: 'ValidationException' });
      t.match(await client.getUser({}), { user: { userId: account, arn: `arn:aws:iam::${account}:root` } });
    },
  );

  await t.test(
    'tags of one key in another case are replaced, reserved and repeated ones refused',
    async (t) => {
      const tags = async () => (await client.getUser({ userName: 'Alice' })).user.tags ?? [];
      await client.tagUser({ userName: 'Alice', tags: [{ key: 'team', value: 'blue' }] });
      t.same(await tags(), [{ key: 'team', value: 'blue' }]);
      const tag = (key: string) => ({ key, value: '' });
      await t.rejects(client.tagUser({ userName: 'Alice', tags: [tag('a'), tag('A')] }), {
        code: 'ValidationException',
        message: /Duplicate tag keys/,
      });
      await t.rejects(client.tagUser({ userName: 'Alice', tags: [tag('AWS:x')] }), { message: /reserved/ });
      const many = Array.from({ length: 49 }, (_, index) => tag(`k${index}`));
      await client.tagUser({ userName: 'Alice', tags: many });
      await t.rejects(client.tagUser({ userName: 'Alice', tags: [tag('one-more')] }), {
        code: 'LimitExceededException',
      });
      await client.untagUser({ userName: 'Alice', tagKeys: ['TEAM', ...many.map(({ key }) => key)] });
      t.same(await tags(), []);
    },
  );

  await t.test('a role keeps its trust policy byte for byte', async (t) => {
    const { role } = await client.createRole({
      roleName: 'worker',
      assumeRolePolicyDocument: trust,
      maxSessionDuration: 7_200,
    });
    t.match(role, {
      roleId: /^AROA[A-Z2-7]{17}$/,
      arn: `arn:aws:iam::${account}:role/worker`,
      maxSessionDuration: 7_200,
    });
    t.equal((await client.getRole({ roleName: 'worker' })).role.assumeRolePolicyDocument, trust);
    const compact = JSON.stringify(JSON.parse(trust));
    await client.updateAssumeRolePolicy({ roleName: 'worker', policyDocument: compact });
    t.equal((await client.getRole({ roleName: 'worker' })).role.assumeRolePolicyDocument, compact);
    const refused = [
      allowAll,
      '{',
      trust.replace(':root', ':user/nobody'),
      trust.replace(account, '111111111111'),
    ];
    for (const policyDocument of refused) {
      await t.rejects(
        client.updateAssumeRolePolicy({ roleName: 'worker', policyDocument }),
        { code: 'MalformedPolicyDocumentException' },
        policyDocument,
      );
    }
    await t.rejects(
      client.createRole({ roleName: 'b', assumeRolePolicyDocument: trust, maxSessionDuration: 3_599 }),
      { code: 'ValidationException' },
    );
    await client.tagRole({ roleName: 'worker', tags: [{ key: 'a', value: 'b' }] });
    await client.untagRole({ roleName: 'worker', tagKeys: ['a'] });
    t.equal((await client.getRole({ roleName: 'worker' })).role.tags, undefined);
  });

  await t.test(
    'managed policies in use, and identities with policies or access keys, are not deleted',
    async (t) => {
      const { policy } = await client.createPolicy({ policyName: 'all', policyDocument: allowAll });
      const policyArn = policy.arn;
      t.match(policy, {
        arn: `arn:aws:iam::${account}:policy/all`,
        policyId: /^ANPA[A-Z2-7]{17}$/,
        path: '/',
      });
      await t.rejects(client.createPolicy({ policyName: 'ALL', policyDocument: allowAll }), {
        code: 'EntityAlreadyExistsException',
      });
      await t.rejects(client.createPolicy({ policyName: 'bad', policyDocument: trust }), {
        code: 'MalformedPolicyDocumentException',
      });
      await client.attachUserPolicy({ userName: 'Alice', policyArn });
      await client.attachUserPolicy({ userName: 'Alice', policyArn });
      await client.attachRolePolicy({ roleName: 'worker', policyArn });
      await client.putRolePermissionsBoundary({ roleName: 'worker', permissionsBoundary: policyArn });
      t.match((await client.getRole({ roleName: 'worker' })).role.permissionsBoundary, {
        permissionsBoundaryType: 'Policy',
        permissionsBoundaryArn: policyArn,
      });
      t.same((await client.listAttachedUserPolicies({ userName: 'Alice' })).attachedPolicies, [
        { policyName: 'all', policyArn },
      ]);
      t.match(await client.getPolicy({ policyArn }), {
        policy: { attachmentCount: 2, permissionsBoundaryUsageCount: 1, policyDocument: allowAll },
      });
      await t.rejects(client.deletePolicy({ policyArn }), { code: 'DeleteConflictException' });
      await t.rejects(client.deleteUser({ userName: 'Alice' }), { code: 'DeleteConflictException' });
      await t.rejects(client.deleteRole({ roleName: 'worker' }), { code: 'DeleteConflictException' });
      await client.detachUserPolicy({ userName: 'Alice', policyArn });
      await t.rejects(client.detachUserPolicy({ userName: 'Alice', policyArn }), {
        code: 'NoSuchEntityException',
      });
      await client.detachRolePolicy({ roleName: 'worker', policyArn });
      await t.rejects(client.deletePolicy({ policyArn }), { code: 'DeleteConflictException' });
      await client.deleteRolePermissionsBoundary({ roleName: 'worker' });
      await t.rejects(client.deleteRolePermissionsBoundary({ roleName: 'worker' }), {
        code: 'NoSuchEntityException',
      });
      await client.deletePolicy({ policyArn });
      await client.deleteRole({ roleName: 'worker' });
      await t.rejects(client.attachUserPolicy({ userName: 'Alice', policyArn }), {
        code: 'NoSuchEntityException',
      });
      await t.rejects(
        client.putUserPermissionsBoundary({ userName: 'Alice', permissionsBoundary: policyArn }),
        {
          code: 'NoSuchEntityException',
        },
      );
    },
  );

  await t.test('at most ten policies are attached to one user', async (t) => {
    const arn = (index: number) => `arn:aws:iam::${account}:policy/p${index}`;
    for (let index = 0; index < 11; index++)
      await client.createPolicy({ policyName: `p${index}`, policyDocument: allowAll });
    for (let index = 0; index < 10; index++)
      await client.attachUserPolicy({ userName: 'Alice', policyArn: arn(index) });
    await t.rejects(client.attachUserPolicy({ userName: 'Alice', policyArn: arn(10) }), {
      code: 'LimitExceededException',
      message: 'Cannot exceed quota for PoliciesPerUser: 10',
    });
    const { policies, truncated } = await client.listPolicies({ limit: 11 });
    t.equal(policies.length, 11);
    t.equal(truncated, false);
  });

  await t.test('lists are paged in the order of names', async (t) => {
    for (const userName of ['bob', 'Carol', 'dave']) await client.createUser({ userName });
    const first = await client.listUsers({ limit: 2 });
    t.same(
      first.users.map(({ userName }) => userName),
      ['Alice', 'bob'],
    );
    const second = await client.listUsers({ limit: 2, marker: first.nextMarker! });
    t.same(
      second.users.map(({ userName }) => userName),
      ['Carol', 'dave'],
    );
    t.equal(second.truncated, false);
    t.equal((await client.listUsers({ pathPrefix: '/team/' })).users.length, 1);
  });

  await t.test('a user has two access keys at most, and each identifies the user', async (t) => {
    const { accessKey } = await client.createAccessKey({ userName: 'bob' });
    t.match(accessKey, {
      userName: 'bob',
      accessKeyId: /^AKIA[A-Z2-7]{16}$/,
      status: 'Active',
      secretAccessKey: /^[A-Za-z0-9+/]{40}$/,
    });
    const other = (await client.createAccessKey({ userName: 'bob' })).accessKey;
    await t.rejects(client.createAccessKey({ userName: 'bob' }), {
      code: 'LimitExceededException',
      message: 'Cannot exceed quota for AccessKeysPerUser: 2',
    });
    const { accessKeyId = '', secretAccessKey = '' } = accessKey;
    const bob = await daemon.connect({ credentials: { accessKeyId, secretAccessKey } });
    t.teardown(() => bob.close());
    const { user } = await client.getUser({ userName: 'bob' });
    t.same(await bob.getCallerIdentity({}), { userId: user.userId, account, arn: user.arn });
    t.same((await client.getCallerIdentity({})).userId, account);
    await t.test('a user without a policy is allowed nothing', async (t) => {
      const refusal = `User: ${user.arn} is not authorized to perform: kms:ListKeys on resource: * because no identity-based policy allows the kms:ListKeys action`;
      await t.rejects(bob.listKeys({}), { code: 'AccessDeniedException', message: refusal });
      await t.rejects(bob.createAccessKey({}), { code: 'AccessDeniedException' });
    });
    await t.rejects(client.deleteUser({ userName: 'bob' }), { code: 'DeleteConflictException' });

    await client.updateAccessKey({ userName: 'bob', accessKeyId, status: 'Inactive' });
    const gone = { code: 'UnrecognizedClientException' };
    await t.rejects(bob.getCallerIdentity({}), gone, 'an open connection loses its access');
    await t.rejects(
      upgrade(daemon, { accessKeyId, secretAccessKey }),
      /security token included in the request is invalid/,
    );
    await client.updateAccessKey({ accessKeyId, status: 'Active' });
    const again = await upgrade(daemon, { accessKeyId, secretAccessKey });
    again.webSocket.terminate();
    await client.deleteAccessKey({ userName: 'bob', accessKeyId });
    await t.rejects(
      upgrade(daemon, { accessKeyId, secretAccessKey }),
      /security token included in the request is invalid/,
    );
    await t.rejects(client.deleteAccessKey({ userName: 'dave', accessKeyId: other.accessKeyId }), {
      code: 'NoSuchEntityException',
    });
    const { accessKeyMetadata } = await client.listAccessKeys({ userName: 'bob' });
    t.same(
      accessKeyMetadata.map((key) => [key.accessKeyId, key.status]),
      [[other.accessKeyId, 'Active']],
    );
    const secrets = [secretAccessKey, other.secretAccessKey];
    t.notOk(secrets.some((secret) => JSON.stringify(daemon.auditRecords()).includes(secret)));
    t.match(daemon.events('CreateAccessKey')[0], {
      eventSource: 'keyhold',
      responseElements: { accessKey: { accessKeyId } },
    });
    t.match(daemon.events('ListKeys')[0], {
      errorCode: 'AccessDeniedException',
      userIdentity: { type: 'IAMUser', principalId: user.userId, userName: 'bob', accessKeyId },
    });
  });

  await t.test('a new user with the name of a deleted one is another principal', async (t) => {
    const { user } = await client.getUser({ userName: 'dave' });
    await client.deleteUser({ userName: 'dave' });
    t.not((await client.createUser({ userName: 'dave' })).user.userId, user.userId);
  });

  await t.test("the root's access key can be replaced, and the last one stays", async (t) => {
    const { accessKeyId } = daemon.credentials;
    await t.rejects(client.deleteAccessKey({ accessKeyId }), { code: 'DeleteConflictException' });
    const { accessKey } = await client.createAccessKey({});
    t.match(accessKey, { userName: undefined, status: 'Active' });
    await client.updateAccessKey({ accessKeyId, status: 'Inactive' });
    await t.rejects(client.listKeys({}), { code: 'UnrecognizedClientException' });
    const credentials = {
      accessKeyId: accessKey.accessKeyId,
      secretAccessKey: accessKey.secretAccessKey,
    };
    const root = await daemon.connect({ credentials });
    await root.deleteAccessKey({ accessKeyId });
    await t.rejects(root.updateAccessKey({ accessKeyId: credentials.accessKeyId, status: 'Inactive' }), {
      code: 'DeleteConflictException',
    });
    t.equal((await root.listAccessKeys({})).accessKeyMetadata.length, 1);
    await root.close();
  });
});

void t.test('keyhold identity', async (t) => {
  const daemon = await TestDaemon.start(t);
  const cwd = t.testdir({ 'trust.json': trust, 'all.json': allowAll });
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await daemon.cli(args, { cwd });
    t.equal(code, 0, `${args.join(' ')} ${stderr}`);
    return stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>);
  };
  const identity = (...args: string[]) => run('identity', ...args);

  t.match(await identity('create-user', 'alice', '--tags', 'team=red,cost=1'), {
    User: { UserName: 'alice', Tags: [{ Key: 'team', Value: 'red' }, { Key: 'cost' }] },
  });
  const role = ['create-role', 'worker', '--trust-policy', 'file://trust.json'];
  t.match(await identity(...role, '--max-session-duration', '7200'), { Role: { MaxSessionDuration: 7200 } });
  await run('create-policy', '--policy-name', 'all', '--policy-document', 'file://all.json');
  for (const principal of ['alice', 'role/worker']) {
    await identity('attach-policy', principal, 'all');
    await identity('tag', principal, 'team=blue');
  }
  t.match(await identity('list'), {
    Users: [{ UserName: 'alice', Tags: [{ Key: 'cost' }, { Value: 'blue' }] }],
    Roles: [{ RoleName: 'worker' }],
  });
  const refused = await daemon.cli(['identity', 'delete', 'worker']);
  t.match(refused, { code: 1, stderr: /\(DeleteConflictException\) when calling the DeleteRole operation/ });

  await t.test('an access key is written to a credentials file that only its owner can read', async (t) => {
    const file = ['--credentials-file', 'credentials', '--profile', 'alice'];
    const nowhere = await daemon.cli(['identity', 'create-access-key', 'alice', ...file], { cwd: '/proc' });
    t.match(nowhere, { code: 2, stderr: /cannot be written/ });
    const created = await identity('create-access-key', 'alice', ...file);
    t.same(Object.keys(created.AccessKey as object), ['UserName', 'AccessKeyId', 'Status', 'CreateDate']);
    t.equal(statSync(join(cwd, 'credentials')).mode & 0o777, 0o600);
    const env = { AWS_SHARED_CREDENTIALS_FILE: join(cwd, 'credentials'), AWS_PROFILE: 'alice' };
    const whoami = () => daemon.cli(['get-caller-identity', '--query', 'Arn', '--output', 'text'], { env });
    t.equal((await whoami()).stdout, `arn:aws:iam::${account}:user/alice\n`);
    const { AccessKeyId: id = '' } = created.AccessKey as { AccessKeyId?: string };
    t.match(await identity('list-access-keys', 'alice'), { AccessKeyMetadata: [{ AccessKeyId: id }] });
    await identity('deactivate', id);
    t.match(await whoami(), { code: 1, stderr: /UnrecognizedClientException/ });
    await identity('delete-access-key', id);
  });

  for (const principal of ['user/alice', `arn:aws:iam::${account}:role/worker`]) {
    await identity('detach-policy', principal, 'all');
    await identity('delete', principal);
  }
  t.same(await identity('list'), { Users: [], Roles: [] });
  t.match(await daemon.cli(['identity', 'delete', 'alice']), { code: 2, stderr: /no user or role 'alice'/ });
});
