// Attempts to bypass authorization on a running daemon, by principals with other permissions.
import t from 'tap';
import { type Client, connect } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';
import { upgrade } from '../../support/wire/upgrade.js';

const account = '000000000000';
const arn = (rest: string) => `arn:aws:iam::${account}:${rest}`;
const document = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
const unknown = {
  __type: 'UnrecognizedClientException',
  message: /token included in the request is invalid/,
};
const denied = { code: 'AccessDeniedException' };

void t.test('bypasses', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  t.teardown(() => root.close());

  const policy = async (policyName: string, ...statements: object[]) =>
    (await root.createPolicy({ policyName, policyDocument: document(...statements) })).policy.arn;
  const credentialsOf = async (userName: string) => {
    const { accessKey } = await root.createAccessKey({ userName });
    return { accessKeyId: accessKey.accessKeyId, secretAccessKey: accessKey.secretAccessKey };
  };
  /** Connects as a new user with a policy of these statements. */
  const user = async (userName: string, ...statements: object[]): Promise<Client> => {
    await root.createUser({ userName });
    if (statements.length > 0)
      await root.attachUserPolicy({ userName, policyArn: await policy(`of-${userName}`, ...statements) });
    const credentials = await credentialsOf(userName);
    const client = await daemon.connect({ credentials, maxAttempts: 1, timeout: 60_000 });
    t.teardown(() => client.close());
    return client;
  };

  await t.test(
    'a delegated administrator who must set a boundary cannot create users without one',
    async (t) => {
      const limit = await policy('limit', { Effect: 'Allow', Action: 'kms:ListKeys', Resource: '*' });
      const wide = await policy('wide', { Effect: 'Allow', Action: '*', Resource: '*' });
      const delegate = await user(
        'delegate',
        {
          Effect: 'Allow',
          Action: [
            'keyhold:CreateUser',
            'keyhold:AttachUserPolicy',
            'keyhold:DetachUserPolicy',
            'keyhold:PutUserPermissionsBoundary',
          ],
          Resource: '*',
          Condition: { StringEquals: { 'iam:PermissionsBoundary': limit } },
        },
        {
          Effect: 'Deny',
          Action: 'keyhold:*',
          Resource: '*',
          Condition: { ArnEquals: { 'IAM:policyarn': arn('policy/x') } },
        },
        {
          Effect: 'Allow',
          Action: 'keyhold:DeleteUserPermissionsBoundary',
          Resource: '*',
          Condition: { ArnLike: { 'iam:PermissionsBoundary': arn('policy/other*') } },
        },
      );
      await root.createUser({ userName: 'free' });
      for (const permissionsBoundary of [
        undefined,
        wide,
        arn('policy/LIMIT'),
        `${limit} `,
        arn('policy/limit/'),
      ])
        await t.rejects(
          delegate.createUser({ userName: 'made', permissionsBoundary }),
          { code: /AccessDenied|Validation/ },
          String(permissionsBoundary),
        );
      await delegate.createUser({ userName: 'made', permissionsBoundary: limit });
      await delegate.attachUserPolicy({ userName: 'made', policyArn: wide });
      await delegate.detachUserPolicy({ userName: 'MADE', policyArn: wide });
      await t.rejects(delegate.attachUserPolicy({ userName: 'made', policyArn: arn('policy/x') }), denied);
      for (const userName of ['free', 'delegate'])
        await t.rejects(delegate.attachUserPolicy({ userName, policyArn: wide }), denied, userName);
      await t.rejects(
        delegate.putUserPermissionsBoundary({ userName: 'made', permissionsBoundary: wide }),
        denied,
      );
      await t.rejects(delegate.deleteUserPermissionsBoundary({ userName: 'made' }), denied);
      await root.putUserPermissionsBoundary({ userName: 'free', permissionsBoundary: wide });
      await t.rejects(delegate.attachUserPolicy({ userName: 'free', policyArn: wide }), denied);
    },
  );

  await t.test('waiting changes do not undo the change that locks their sender out', async (t) => {
    const { keyId } = (await root.createKey({})).keyMetadata;
    const of = (...who: string[]) =>
      document({ Effect: 'Allow', Principal: { AWS: who.map(arn) }, Action: 'kms:*', Resource: '*' });
    const mallory = await user('mallory');
    const [hers, ours] = [of('root', 'user/mallory'), of('root')];
    await root.putKeyPolicy({ keyId: keyId, policy: hers });
    let isOut = false;
    const outcomes: string[] = [];
    const flood = async () => {
      while (!isOut)
        await mallory.putKeyPolicy({ keyId: keyId, policy: hers }).then(
          () => outcomes.push('done'),
          (error: unknown) => outcomes.push((error as { code: string }).code),
        );
    };
    const floods = Array.from({ length: 64 }, flood);
    while (!outcomes.includes('done')) await new Promise((done) => setTimeout(done, 10));
    await root.putKeyPolicy({ keyId: keyId, policy: ours });
    isOut = true;
    await Promise.all(floods);
    t.ok(outcomes.includes('AccessDeniedException'));
    t.equal((await root.getKeyPolicy({ keyId: keyId })).policy, ours);
  });

  await t.test('changes by a user whose access key is deactivated meanwhile fail', async (t) => {
    const eve = await user('eve', { Effect: 'Allow', Action: 'keyhold:*', Resource: '*' });
    const [key] = (await root.listAccessKeys({ userName: 'eve' })).accessKeyMetadata;
    await root.createUser({ userName: 'target' });
    let count = 0;
    let isOut = false;
    const flood = async () => {
      while (!isOut) {
        const tags = [{ key: 'count', value: String(++count) }];
        await eve.tagUser({ userName: 'target', tags }).catch(() => undefined);
      }
    };
    const floods = Array.from({ length: 64 }, flood);
    while (count < 200) await new Promise((done) => setTimeout(done, 10));
    await root.updateAccessKey({ userName: 'eve', accessKeyId: key!.accessKeyId, status: 'Inactive' });
    const tags = async () => (await root.getUser({ userName: 'target' })).user.tags;
    const atOnce = await tags();
    isOut = true;
    await Promise.all(floods);
    t.strictSame(await tags(), atOnce);
  });

  await t.test('tags whose keys differ in case bypass no condition', async (t) => {
    const red = await user(
      'red',
      { Effect: 'Allow', Action: ['kms:CreateKey', 'kms:TagResource'], Resource: '*' },
      {
        Effect: 'Deny',
        Action: ['kms:CreateKey', 'kms:TagResource'],
        Resource: '*',
        Condition: { StringNotEquals: { 'aws:RequestTag/team': 'red' } },
      },
    );
    const tag = (tagKey: string, tagValue: string) => ({ tagKey, tagValue });
    for (const tags of [
      [tag('team', 'red'), tag('Team', 'blue')],
      [tag('TEAM', 'blue'), tag('team', 'red')],
      [tag('team', 'Red')],
      [tag('tеam', 'red')],
    ])
      await t.rejects(red.createKey({ tags }), denied, JSON.stringify(tags));
    t.ok((await red.createKey({ tags: [tag('Team', 'red')] })).keyMetadata);
    const { keyId } = (await root.createKey({ tags: [tag('team', 'red'), tag('Team', 'blue')] })).keyMetadata;
    const reader = { Effect: 'Allow', Action: 'kms:DescribeKey', Resource: '*' };
    const same = { StringLike: { 'aws:ResourceTag/team': '${aws:PrincipalTag/team}' } };
    const team = await user('team', { ...reader, Condition: same });
    for (const value of ['red', 'blue', '*', '?ed', '${*}']) {
      await root.tagUser({ userName: 'team', tags: [{ key: 'team', value }] });
      await t.rejects(team.describeKey({ keyId: keyId }), denied, value);
    }
    await root.untagResource({ keyId: keyId, tagKeys: ['Team'] });
    await t.rejects(
      team.describeKey({ keyId: keyId }),
      denied,
      "wildcards in a tag's value do not act as wildcards",
    );
    await root.tagUser({ userName: 'team', tags: [{ key: 'team', value: 'red' }] });
    t.ok(await team.describeKey({ keyId: keyId }), 'the new tag applies from the next request on');
  });

  await t.test('a new principal with an old name inherits no policy, grant or trust', async (t) => {
    await root.createUser({ userName: 'bob' });
    const { keyId } = (await root.createKey({})).keyMetadata;
    const forBob = document(
      { Effect: 'Allow', Principal: { AWS: account }, Action: 'kms:*', Resource: '*' },
      { Effect: 'Allow', Principal: { AWS: arn('user/bob') }, Action: 'kms:Encrypt', Resource: '*' },
    );
    await root.putKeyPolicy({ keyId: keyId, policy: forBob });
    await root.createGrant({ keyId: keyId, granteePrincipal: arn('user/bob'), operations: ['Encrypt'] });
    const trust = document({
      Effect: 'Allow',
      Principal: { AWS: arn('user/bob') },
      Action: 'sts:AssumeRole',
    });
    await root.createRole({ roleName: 'bobs', assumeRolePolicyDocument: trust });
    const { userId } = (await root.getUser({ userName: 'bob' })).user;
    await root.deleteUser({ userName: 'bob' });
    const again = await user('bob');
    const plaintext = Buffer.from('x');
    await t.rejects(again.encrypt({ keyId: keyId, plaintext }), denied);
    await t.rejects(again.assumeRole({ roleArn: arn('role/bobs'), roleSessionName: 'xx' }), denied);
    const shown = (await root.getKeyPolicy({ keyId: keyId })).policy;
    t.equal(
      shown,
      forBob.replace(arn('user/bob'), userId),
      'the policy shows the unique ID of the deleted principal',
    );
  });

  await t.test(
    'a restricted session cannot escape by assuming roles, and its token cannot be changed',
    async (t) => {
      const trusted = { Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' };
      const everything = await policy('everything', { Effect: 'Allow', Action: '*', Resource: '*' });
      for (const roleName of ['first', 'second']) {
        await root.createRole({ roleName, assumeRolePolicyDocument: document(trusted) });
        await root.attachRolePolicy({ roleName, policyArn: everything });
      }
      const starter = await user('starter', { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: '*' });
      const assume = async (client: Client, roleName: string, more = {}) => {
        const request = { roleArn: arn(`role/${roleName}`), roleSessionName: 'one', ...more };
        const { accessKeyId, secretAccessKey, sessionToken } = (await client.assumeRole(request)).credentials;
        return { accessKeyId: accessKeyId, secretAccessKey: secretAccessKey, sessionToken: sessionToken };
      };
      const only = document({ Effect: 'Allow', Action: 'kms:ListKeys', Resource: '*' });
      const credentials = await assume(starter, 'first', { policy: only });
      const bounded = await connect({ url: daemon.url, credentials });
      t.ok(await bounded.listKeys({}));
      await t.rejects(assume(bounded, 'second'), denied);
      await t.rejects(bounded.createKey({}), denied);
      await bounded.close();
      const free = await assume(starter, 'first');
      const token = Buffer.from(free.sessionToken, 'base64');
      for (let at = 0; at < token.length; at += 37) {
        const changed = Buffer.from(token);
        changed[at]! ^= 1;
        const sessionToken = changed.toString('base64');
        await t.rejects(upgrade(daemon, { ...free, sessionToken }), unknown);
      }
      for (const wrong of [
        { ...free, sessionToken: credentials.sessionToken },
        { ...free, accessKeyId: credentials.accessKeyId },
        { ...credentials, sessionToken: free.sessionToken },
        { ...free, sessionToken: `${free.sessionToken}AAAA` },
        { ...free, sessionToken: '' },
      ])
        await t.rejects(upgrade(daemon, wrong), unknown);
    },
  );
});
