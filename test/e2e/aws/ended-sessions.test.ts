// Session tokens on the AWS endpoint: a cached session never outlives its role, its policies or its expiry.
import * as kms from '@aws-sdk/client-kms';
import t from 'tap';
import { kmsClient } from '../../support/aws/aws.js';
import { send } from '../../support/aws/aws-request.js';
import { MovableClock } from '../../support/clock.js';
import { TestDaemon } from '../../support/daemon.js';

const document = (statement: object) =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...statement }] });

void t.test('a session that was used', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const clock = new MovableClock(daemon.home);
  await daemon.start(clock.env);
  const root = await daemon.connect();
  t.teardown(() => root.close());
  const { policy } = await root.createPolicy({
    policyName: 'list',
    policyDocument: document({ Action: 'kms:List*', Resource: '*' }),
  });
  const assume = async (roleName: string) => {
    const { role } = await root.createRole({
      roleName,
      assumeRolePolicyDocument: document({ Principal: { AWS: '000000000000' }, Action: 'sts:AssumeRole' }),
    });
    await root.attachRolePolicy({ roleName, policyArn: policy.arn });
    const { userName } = (await root.createUser({ userName: `of-${roleName}` })).user;
    const { accessKey } = await root.createAccessKey({ userName: userName! });
    const { policy: assuming } = await root.createPolicy({
      policyName: `assume-${roleName}`,
      policyDocument: document({ Action: 'sts:AssumeRole', Resource: role.arn }),
    });
    await root.attachUserPolicy({ userName: userName!, policyArn: assuming.arn });
    const user = await daemon.connect({
      credentials: { accessKeyId: accessKey.accessKeyId, secretAccessKey: accessKey.secretAccessKey },
    });
    const { credentials } = await user.assumeRole({
      roleArn: role.arn,
      roleSessionName: 'one',
      durationSeconds: 900,
    });
    await user.close();
    const { accessKeyId = '', secretAccessKey = '', sessionToken = '' } = credentials;
    const client = kmsClient(t, daemon, {
      credentials: { accessKeyId, secretAccessKey, sessionToken },
      maxAttempts: 1,
    });
    const list = () => client.send(new kms.ListKeysCommand({}));
    for (let round = 0; round < 3; round++) t.match(await list(), { Keys: [] });
    return { list, credentials: { accessKeyId, secretAccessKey, sessionToken } };
  };

  await t.test('is bound to its access key and secret at each request', async (t) => {
    const { credentials } = await assume('bound');
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const headers = { 'x-amz-security-token': sessionToken };
    t.match(await send(daemon, { accessKeyId, secretAccessKey, headers }), { status: 200 });
    const wrong = await send(daemon, { accessKeyId, secretAccessKey: 'wrong', headers });
    t.match(wrong, { __type: 'InvalidSignatureException' });
    const other = await send(daemon, { accessKeyId: 'ASIAAAAAAAAAAAAAAAAA', secretAccessKey, headers });
    t.match(other, { __type: 'UnrecognizedClientException' });
    t.match(await send(daemon, { accessKeyId, secretAccessKey }), { __type: 'UnrecognizedClientException' });
  });

  await t.test('loses the permissions that its role loses', async (t) => {
    const { list } = await assume('poor');
    await root.detachRolePolicy({ roleName: 'poor', policyArn: policy.arn });
    await t.rejects(list(), { name: 'AccessDeniedException' });
  });

  await t.test('ends with its role, even if a role with the same name is created', async (t) => {
    const { list } = await assume('gone');
    await root.detachRolePolicy({ roleName: 'gone', policyArn: policy.arn });
    await root.deleteRole({ roleName: 'gone' });
    await t.rejects(list(), { name: 'UnrecognizedClientException' });
    await root.createRole({
      roleName: 'gone',
      assumeRolePolicyDocument: document({ Principal: { AWS: '000000000000' }, Action: 'sts:AssumeRole' }),
    });
    await t.rejects(list(), { name: 'UnrecognizedClientException' });
  });

  await t.test('ends when it expires', async (t) => {
    const { credentials } = await assume('brief');
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    clock.move('+901');
    const late = { accessKeyId, secretAccessKey, headers: { 'x-amz-security-token': sessionToken } };
    const reply = await send(daemon, { ...late, skew: 901_000 });
    t.match(reply, { status: 400, __type: 'ExpiredTokenException' }, reply.text);
    const wrong = await send(daemon, { ...late, secretAccessKey: 'wrong', skew: 901_000 });
    t.match(
      wrong,
      { __type: 'ExpiredTokenException' },
      'an expired token is reported even with a wrong secret, as by AWS',
    );
  });
});
