// sts:GetSessionToken: temporary credentials of a user or of the root, with the permissions of their principal.
import { GetSessionTokenCommand, GetCallerIdentityCommand, AssumeRoleCommand } from '@aws-sdk/client-sts';
import t from 'tap';
import { stsClient } from '../../support/aws/aws.js';
import { send } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';

const account = '000000000000';

void t.test('GetSessionToken', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  t.teardown(() => root.close());
  await root.createUser({ userName: 'alice' });
  const { accessKey } = await root.createAccessKey({ userName: 'alice' });
  const alice = { accessKeyId: accessKey.accessKeyId, secretAccessKey: accessKey.secretAccessKey };
  // Only temporary credentials are allowed: only they have aws:TokenIssueTime.
  const policyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: {
      Effect: 'Allow',
      Action: ['kms:ListKeys', 'keyhold:ListUsers', 'sts:AssumeRole'],
      Resource: '*',
      Condition: { Null: { 'aws:TokenIssueTime': 'false' }, Bool: { 'aws:MultiFactorAuthPresent': 'false' } },
    },
  });
  const { policy } = await root.createPolicy({ policyName: 'temporary', policyDocument });
  await root.attachUserPolicy({ userName: 'alice', policyArn: policy.arn });

  const sts = stsClient(t, daemon, { credentials: alice });
  const tokenOf = async (client: typeof sts, DurationSeconds?: number) => {
    const { Credentials: given } = await client.send(new GetSessionTokenCommand({ DurationSeconds }));
    const credentials = {
      accessKeyId: given!.AccessKeyId!,
      secretAccessKey: given!.SecretAccessKey!,
      sessionToken: given!.SessionToken!,
    };
    return { credentials, lasts: Math.round((given!.Expiration!.getTime() - Date.now()) / 1000) };
  };
  const { credentials, lasts } = await tokenOf(sts);
  t.ok(Math.abs(lasts - 43_200) < 60, 'they last twelve hours by default');
  t.ok(Math.abs((await tokenOf(sts, 129_600)).lasts - 129_600) < 60);
  const ofRoot = await tokenOf(stsClient(t, daemon), 43_200);
  t.ok(Math.abs(ofRoot.lasts - 3_600) < 60, 'those of the root last an hour');

  await t.test('they identify the user itself', async (t) => {
    const session = stsClient(t, daemon, { credentials });
    t.match(await session.send(new GetCallerIdentityCommand({})), {
      Arn: `arn:aws:iam::${account}:user/alice`,
      UserId: /^AIDA/,
    });
    t.match(daemon.events('GetCallerIdentity').at(-1), {
      userIdentity: {
        type: 'IAMUser',
        userName: 'alice',
        accessKeyId: credentials.accessKeyId,
        sessionContext: { attributes: { mfaAuthenticated: 'false' } },
      },
    });
    t.match(daemon.events('GetSessionToken')[0], {
      eventSource: 'sts.amazonaws.com',
      responseElements: { credentials: { accessKeyId: credentials.accessKeyId, sessionToken: undefined } },
    });
    const headers = { 'x-amz-security-token': credentials.sessionToken };
    t.match(await send(daemon, { ...credentials, headers }), { status: 200 });
    t.match(
      await send(daemon, alice),
      { __type: 'AccessDeniedException' },
      'a request with the access key has no aws:TokenIssueTime',
    );
    const native = await daemon.connect({ credentials });
    t.ok(await native.listKeys({}));
    await t.rejects(native.listUsers({}), { code: 'AccessDeniedException', message: /manage no identities/ });
    await native.close();
    const rootSession = await daemon.connect({ credentials: ofRoot.credentials });
    t.equal((await rootSession.getCallerIdentity({})).arn, `arn:aws:iam::${account}:root`);
    t.ok(await rootSession.createKey({}));
    await rootSession.close();
  });

  await t.test('roles are assumed with them', async (t) => {
    const Statement = { Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' };
    const assumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
    const { role } = await root.createRole({ roleName: 'worker', assumeRolePolicyDocument });
    const command = new AssumeRoleCommand({ RoleArn: role.arn, RoleSessionName: 'one' });
    const { Credentials: assumed } = await stsClient(t, daemon, { credentials }).send(command);
    const ofRole = {
      accessKeyId: assumed!.AccessKeyId!,
      secretAccessKey: assumed!.SecretAccessKey!,
      sessionToken: assumed!.SessionToken!,
    };
    for (const session of [ofRole, credentials])
      await t.rejects(tokenOf(stsClient(t, daemon, { credentials: session })), {
        name: 'AccessDenied',
        message: 'Cannot call GetSessionToken with session credentials',
      });
  });

  await t.test('unsupported parameters are refused', async (t) => {
    const ask = (input: object) => sts.send(new GetSessionTokenCommand(input));
    await t.rejects(ask({ SerialNumber: 'arn:aws:iam::000000000000:mfa/x', TokenCode: '123456' }), {
      message: 'GetSessionToken does not take SerialNumber: leave it out.',
    });
    for (const DurationSeconds of [899, 129_601])
      await t.rejects(ask({ DurationSeconds }), { name: 'ValidationError' });
  });

  await t.test('they end with their user', async (t) => {
    await root.detachUserPolicy({ userName: 'alice', policyArn: policy.arn });
    await root.deleteAccessKey({ userName: 'alice', accessKeyId: alice.accessKeyId });
    const headers = { 'x-amz-security-token': credentials.sessionToken };
    t.match(await send(daemon, { ...credentials, headers }), { __type: 'AccessDeniedException' });
    await root.deleteUser({ userName: 'alice' });
    t.match(await send(daemon, { ...credentials, headers }), { __type: 'UnrecognizedClientException' });
  });
});
