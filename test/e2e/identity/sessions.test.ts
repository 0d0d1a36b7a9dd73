// Temporary credentials: AssumeRole, the permissions of a session, and its end.
import t from 'tap';
import type { Client } from '../../../client/index.js';
import type { AssumeRoleRequest } from '../../../proto/generated/messages.js';
import { MovableClock } from '../../support/clock.js';
import { TestDaemon } from '../../support/daemon.js';
import { upgrade } from '../../support/wire/upgrade.js';

const account = '000000000000';
const arn = (resource: string) => `arn:aws:iam::${account}:${resource}`;
const statement = (principal: string, more: object = {}) => ({
  Effect: 'Allow',
  Principal: { AWS: arn(principal) },
  Action: ['sts:AssumeRole', 'sts:TagSession'],
  ...more,
});
const document = (...statements: object[]) =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });

/** Creates a user and connects as it. */
async function userClient(daemon: TestDaemon, root: Client, userName: string): Promise<Client> {
  await root.createUser({ userName });
  const { accessKeyId = '', secretAccessKey = '' } = (await root.createAccessKey({ userName })).accessKey;
  return daemon.connect({ credentials: { accessKeyId, secretAccessKey } });
}

/** Assumes a role. */
async function assume(client: Client, roleName: string, more: Partial<AssumeRoleRequest> = {}) {
  const request = { roleArn: arn(`role/${roleName}`), roleSessionName: 'one', ...more };
  const response = await client.assumeRole(request);
  const { accessKeyId = '', secretAccessKey = '', sessionToken = '', expiration = 0 } = response.credentials;
  return { credentials: { accessKeyId, secretAccessKey, sessionToken }, expiration, response };
}

void t.test('sessions of roles', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  const alice = await userClient(daemon, root, 'alice');
  const mallory = await userClient(daemon, root, 'mallory');
  t.teardown(() => Promise.all([root, alice, mallory].map((client) => client.close())));
  const role = (roleName: string, ...statements: object[]) =>
    root.createRole({
      roleName,
      assumeRolePolicyDocument: document(...statements),
      maxSessionDuration: 7_200,
    });
  const { role: worker } = await role('worker', statement('user/alice'));
  const used: string[] = [];

  await t.test('a principal in the trust policy gets credentials that identify the session', async (t) => {
    const { credentials, expiration, response } = await assume(alice, 'worker');
    used.push(credentials.secretAccessKey, credentials.sessionToken);
    t.match(credentials.accessKeyId, /^ASIA[A-Z2-7]{16}$/);
    t.ok(Math.abs(expiration - Date.now() / 1000 - 3_600) < 60);
    const sessionArn = `arn:aws:sts::${account}:assumed-role/worker/one`;
    const userId = `${worker.roleId}:one`;
    t.same(response.assumedRoleUser, { assumedRoleId: userId, arn: sessionArn });
    const session = await daemon.connect({ credentials });
    t.same(await session.getCallerIdentity({}), { userId, account, arn: sessionArn });
    await t.rejects(session.listKeys({}), {
      code: 'AccessDeniedException',
      message: new RegExp(`^User: ${sessionArn} is not authorized to perform: kms:ListKeys`),
    });
    await session.close();
    t.match(daemon.events('AssumeRole')[0], {
      eventSource: 'sts.amazonaws.com',
      requestParameters: { roleArn: worker.arn, roleSessionName: 'one' },
      responseElements: { credentials: { accessKeyId: credentials.accessKeyId } },
    });
    t.match(daemon.events('GetCallerIdentity')[0], {
      userIdentity: {
        type: 'AssumedRole',
        principalId: userId,
        arn: sessionArn,
        accessKeyId: credentials.accessKeyId,
        sessionContext: { sessionIssuer: { type: 'Role', principalId: worker.roleId, userName: 'worker' } },
      },
    });
  });

  await t.test('no other principal gets credentials, and a missing role gives the same error', async (t) => {
    const denied = (roleName: string) => ({
      code: 'AccessDeniedException',
      message: `User: ${arn('user/mallory')} is not authorized to perform: sts:AssumeRole on resource: ${arn(`role/${roleName}`)} because no role trust policy allows the sts:AssumeRole action`,
    });
    for (const name of ['worker', 'nothing']) await t.rejects(assume(mallory, name), denied(name), name);
    await t.rejects(assume(root, 'worker'), {
      code: 'AccessDeniedException',
      message: 'Roles may not be assumed by root accounts.',
    });
  });

  await t.test('a new user with a trusted name is not trusted', async (t) => {
    await root.createUser({ userName: 'brief' });
    await role('old', statement('user/brief'));
    await root.deleteUser({ userName: 'brief' });
    const brief = await userClient(daemon, root, 'brief');
    await t.rejects(assume(brief, 'old'), { code: 'AccessDeniedException' });
    await brief.close();
  });

  await t.test("if the account is trusted, the user's policies decide", async (t) => {
    await role('open', statement('root'));
    await t.rejects(assume(mallory, 'open'), { message: /no identity-based policy/ });
    const policyDocument = document({
      Effect: 'Allow',
      Action: 'sts:AssumeRole',
      Resource: arn('role/open'),
    });
    const { policy } = await root.createPolicy({ policyName: 'may-open', policyDocument });
    await root.attachUserPolicy({ userName: 'mallory', policyArn: policy.arn });
    t.ok(await assume(mallory, 'open'), 'the policy applies from the next request on');
    const boundary = document({ Effect: 'Allow', Action: 'kms:*', Resource: '*' });
    const bounded = await root.createPolicy({ policyName: 'kms-only', policyDocument: boundary });
    await root.putUserPermissionsBoundary({
      userName: 'mallory',
      permissionsBoundary: bounded.policy.arn,
    });
    await t.rejects(assume(mallory, 'open'), { message: /no permissions boundary/ });
    await root.deleteUserPermissionsBoundary({ userName: 'mallory' });
  });

  await t.test('conditions see external ID, tags and the caller', async (t) => {
    await role(
      'guarded',
      statement('user/alice', {
        Condition: {
          StringEquals: {
            'sts:ExternalId': 'x-1',
            'aws:RequestTag/team': 'red',
            'aws:PrincipalTag/Level': '3',
            'aws:username': 'alice',
          },
        },
      }),
    );
    const good = { externalId: 'x-1', tags: [{ key: 'Team', value: 'red' }] };
    await t.rejects(assume(alice, 'guarded', good), { code: 'AccessDeniedException' });
    await root.tagUser({ userName: 'alice', tags: [{ key: 'level', value: '3' }] });
    t.ok(await assume(alice, 'guarded', good));
    for (const bad of [{ ...good, externalId: 'x-2' }, { externalId: 'x-1' }, { tags: good.tags }])
      await t.rejects(assume(alice, 'guarded', bad), { code: 'AccessDeniedException' }, JSON.stringify(bad));
  });

  await t.test(
    'session tags need their own permission, and transitive ones pass on to later sessions',
    async (t) => {
      await role('untagged', { ...statement('user/alice'), Action: 'sts:AssumeRole' });
      const tags = [{ key: 'team', value: 'red' }];
      await t.rejects(assume(alice, 'untagged', { tags }), { message: /sts:TagSession/ });
      const condition = { Condition: { StringEquals: { 'aws:PrincipalTag/team': 'red' } } };
      await role('second', statement('role/worker', condition));
      const first = await assume(alice, 'worker', { tags, transitiveTagKeys: ['team'] });
      const session = await daemon.connect({ credentials: first.credentials });
      const second = await assume(session, 'second');
      const plain = (await assume(alice, 'worker')).credentials;
      t.ok(second.credentials.sessionToken.length > plain.sessionToken.length, 'the token contains the tag');
      await t.rejects(assume(session, 'second', { tags }), {
        code: 'ValidationException',
        message: /transitive/,
      });
      await t.rejects(assume(session, 'second', { durationSeconds: 3_601 }), { message: /role chaining/ });
      await session.close();
    },
  );

  await t.test('a session lasts from 15 minutes to the maximum of the role', async (t) => {
    t.ok(await assume(alice, 'worker', { durationSeconds: 900 }));
    t.ok(await assume(alice, 'worker', { durationSeconds: 7_200 }));
    for (const durationSeconds of [899, 7_201, 43_201])
      await t.rejects(assume(alice, 'worker', { durationSeconds }), { code: 'ValidationException' });
    for (const roleSessionName of ['x', 'a b', 'x'.repeat(65)])
      await t.rejects(assume(alice, 'worker', { roleSessionName }), { code: 'ValidationException' });
  });

  await t.test('AssumeRole refuses unsupported parameters, and session policies are checked', async (t) => {
    const unsupported = [
      { serialNumber: 'GAHT12345678' },
      { tokenCode: '123456' },
      { sourceIdentity: 'alice' },
      { providedContexts: [{}] },
    ];
    for (const more of unsupported)
      await t.rejects(
        assume(alice, 'worker', more),
        { code: 'UnsupportedOperationException' },
        JSON.stringify(more),
      );
    await t.rejects(assume(alice, 'worker', { policy: '{' }), { code: 'MalformedPolicyDocumentException' });
    await t.rejects(assume(alice, 'worker', { policyArns: [{ arn: arn('policy/none') }] }), {
      code: 'NoSuchEntityException',
    });
    const tags = Array.from({ length: 50 }, (_, index) => ({ key: `k${index}`, value: 'v'.repeat(256) }));
    await t.rejects(assume(alice, 'worker', { tags }), { code: 'PackedPolicyTooLargeException' });
  });

  await t.test('a session policy narrows the permissions of the role', async (t) => {
    const policyDocument = document({ Effect: 'Allow', Action: 'sts:AssumeRole', Resource: '*' });
    const { policy } = await root.createPolicy({ policyName: 'assume', policyDocument });
    await root.attachRolePolicy({ roleName: 'worker', policyArn: policy.arn });
    const deny = document({ Effect: 'Allow', Action: 'kms:*', Resource: '*' });
    const cases: [Partial<AssumeRoleRequest>, boolean][] = [
      [{}, true],
      [{ policy: deny }, false],
      [{ policyArns: [{ arn: policy.arn }] }, true],
      [{ policyArns: [{ arn: arn('policy/kms-only') }] }, false],
    ];
    for (const [more, allowed] of cases) {
      const { credentials } = await assume(alice, 'worker', more);
      const session = await daemon.connect({ credentials });
      const attempt = assume(session, 'open');
      await (allowed
        ? attempt.then(() => t.pass('allowed'))
        : t.rejects(attempt, { message: /no session policy/ }, JSON.stringify(more)));
      await session.close();
    }
  });

  await t.test('token, access key and secret are valid only together', async (t) => {
    const { credentials } = await assume(alice, 'worker');
    const other = (await assume(alice, 'worker')).credentials;
    const refused = async (more: Partial<typeof credentials>) => {
      const { sessionToken, ...key } = { ...credentials, ...more };
      const attempt = daemon.connect({ credentials: { ...key, sessionToken } });
      await t.rejects(attempt, {
        code: 'UnrecognizedClientException',
        message: 'The security token included in the request is invalid.',
      });
    };
    await refused({ sessionToken: other.sessionToken });
    await refused({ sessionToken: undefined });
    await refused({ accessKeyId: other.accessKeyId });
    await refused({ secretAccessKey: other.secretAccessKey });
    await refused({ accessKeyId: daemon.credentials.accessKeyId });
    const cut = Buffer.from(credentials.sessionToken, 'base64');
    for (const index of [0, 1, 20, cut.length - 1]) {
      const bad = Buffer.from(cut);
      bad[index]! ^= 1;
      await refused({ sessionToken: bad.toString('base64') });
    }
    await t.rejects(
      upgrade(daemon, { ...credentials, signedHeaders: ['host', 'sec-websocket-key', 'x-amz-date'] }),
      /'x-amz-security-token' must be among the signed headers/,
    );
  });

  await t.test('deleting a role ends its sessions, and a new role with its name revives none', async (t) => {
    const { credentials } = await assume(alice, 'worker');
    const session = await daemon.connect({ credentials });
    await root.detachRolePolicy({ roleName: 'worker', policyArn: arn('policy/assume') });
    await root.deleteRole({ roleName: 'worker' });
    await t.rejects(session.getCallerIdentity({}), { code: 'UnrecognizedClientException' });
    await role('worker', statement('user/alice'));
    await t.rejects(session.getCallerIdentity({}), { code: 'UnrecognizedClientException' });
    await t.rejects(daemon.connect({ credentials }), { code: 'UnrecognizedClientException' });
    await session.close();
  });

  t.notOk(used.some((secret) => (daemon.stderr + JSON.stringify(daemon.auditRecords())).includes(secret)));
});

void t.test('a session ends when it expires, even on an open connection', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const clock = new MovableClock(daemon.home);
  await daemon.start(clock.env);
  const root = await daemon.connect();
  const alice = await userClient(daemon, root, 'alice');
  const assumeRolePolicyDocument = document(statement('user/alice'));
  await root.createRole({ roleName: 'worker', assumeRolePolicyDocument });
  const { credentials } = await assume(alice, 'worker', { durationSeconds: 900 });
  const session = await daemon.connect({ credentials });
  t.ok(await session.getCallerIdentity({}));
  clock.move('+895s');
  t.ok(await session.getCallerIdentity({}));
  clock.move('+901s');
  await t.rejects(session.getCallerIdentity({}), {
    code: 'ExpiredTokenException',
    message: 'The security token included in the request is expired',
  });
  const late = upgrade(daemon, { ...credentials, skew: 901_000 });
  await t.rejects(
    late,
    /included in the request is invalid\.$/,
    'the upgrade gives the same error for all reasons',
  );
  t.ok(await alice.getCallerIdentity({}), 'other connections still work');
  await Promise.all([root, alice, session].map((client) => client.close()));
});
