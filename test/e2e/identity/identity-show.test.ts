// keyhold identity show: everything about a user or role, in a pipe and on a terminal, and what the caller may not see.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';

const arn = (resource: string) => `arn:aws:iam::000000000000:${resource}`;
const allowing = (...Action: string[]) =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] });
const trust = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: arn('root') }, Action: 'sts:AssumeRole' }],
});

void t.test('identity show', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  t.teardown(() => root.close());
  const show = async (principal: string, ...more: string[]) => {
    const { code, stdout, stderr } = await daemon.cli(['identity', 'show', principal, ...more]);
    t.equal(code, 0, stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  await root.createPolicy({ policyName: 'most', policyDocument: allowing('*') });
  await root.createUser({
    userName: 'app',
    path: '/team/',
    tags: [{ key: 'team', value: 'red' }],
    permissionsBoundary: arn('policy/most'),
  });
  const { accessKey } = await root.createAccessKey({ userName: 'app' });
  await root.createRole({ roleName: 'worker', assumeRolePolicyDocument: trust });

  await t.test('shows a user with policies, boundary, tags and access keys, and no secret', async (t) => {
    const bare = await show('worker');
    t.match(bare, { AttachedPolicies: [] }, 'a role without policies');
    for (const policyName of ['one', 'two', 'three'])
      await root.attachUserPolicy({
        userName: 'app',
        policyArn: (await root.createPolicy({ policyName, policyDocument: allowing('kms:ListKeys') })).policy
          .arn,
      });
    const shown = await show('user/app');
    t.match(shown, {
      UserName: 'app',
      Arn: arn('user/team/app'),
      Path: '/team/',
      Tags: [{ Key: 'team', Value: 'red' }],
      PermissionsBoundary: { PermissionsBoundaryArn: arn('policy/most') },
      AttachedPolicies: [{ PolicyName: 'one' }, { PolicyName: 'three' }, { PolicyName: 'two' }],
      AccessKeys: [{ AccessKeyId: accessKey.accessKeyId, Status: 'Active' }],
      NotShown: undefined,
    });
    t.notOk(JSON.stringify(shown).includes(accessKey.secretAccessKey));
    t.strictSame(await show(arn('user/team/app')), shown, 'by ARN');
    t.strictSame(await show('app'), shown, 'by name');
  });

  await t.test('shows a role with its trust policy', async (t) => {
    await root.attachRolePolicy({ roleName: 'worker', policyArn: arn('policy/one') });
    t.match(await show('role/worker'), {
      RoleName: 'worker',
      AssumeRolePolicyDocument: trust,
      AttachedPolicies: [{ PolicyName: 'one', PolicyArn: arn('policy/one') }],
      AccessKeys: undefined,
    });
  });

  await t.test('a name that is unknown, or that of a user and a role, is an error', async (t) => {
    t.match(await daemon.cli(['identity', 'show', 'nobody']), {
      code: 2,
      stderr: /There is no user or role 'nobody'\./,
    });
    await root.createUser({ userName: 'worker' });
    t.match(await daemon.cli(['identity', 'show', 'worker']), {
      code: 2,
      stderr: /'worker' is the name of both a user and a role\. Use user\/worker or role\/worker\./,
    });
    t.match(await daemon.cli(['identity', 'show', 'user/nobody']), {
      code: 1,
      stderr: /NoSuchEntityException.* when calling the GetUser operation/,
    });
  });

  await t.test('names the parts that the caller may not see', async (t) => {
    await root.createUser({ userName: 'guest' });
    const guest = (await root.createAccessKey({ userName: 'guest' })).accessKey;
    const credentials = join(daemon.home, 'guest-credentials');
    writeFileSync(
      credentials,
      `[default]\naws_access_key_id = ${guest.accessKeyId}\naws_secret_access_key = ${guest.secretAccessKey}\n`,
    );
    const env = {
      AWS_ACCESS_KEY_ID: '',
      AWS_SECRET_ACCESS_KEY: '',
      AWS_SHARED_CREDENTIALS_FILE: credentials,
    };
    const refused = await daemon.cli(['identity', 'show', 'user/app'], { env });
    t.match(refused, { code: 1, stderr: /AccessDeniedException/ });
    const { policy } = await root.createPolicy({
      policyName: 'guest',
      policyDocument: allowing('keyhold:GetUser'),
    });
    await root.attachUserPolicy({ userName: 'guest', policyArn: policy.arn });
    const { code, stdout } = await daemon.cli(['identity', 'show', 'user/app'], { env });
    t.equal(code, 0);
    const shown = JSON.parse(stdout) as Record<string, unknown>;
    t.match(shown, {
      UserName: 'app',
      NotShown: {
        ListAttachedUserPolicies: 'AccessDeniedException',
        ListAccessKeys: 'AccessDeniedException',
      },
    });
    t.notOk('AttachedPolicies' in shown || 'AccessKeys' in shown);
  });

  await t.test('on a terminal names are beside values', (t) => {
    const cli = join(checkout, 'dist/client/cli/main.js');
    const line = `stty cols 100; '${process.execPath}' '${cli}' identity show user/app`;
    const env = { ...daemon.env, TERM: 'xterm', SHELL: '/bin/sh', NO_COLOR: '1' };
    const text = execFileSync('script', ['-qec', line, '/dev/null'], { env })
      .toString()
      .replaceAll('\r\n', '\n');
    t.match(text, /^Path +\/team\/\n/);
    t.match(text, /\nAttachedPolicies\n +PolicyName +PolicyArn\n/i);
    t.match(text, new RegExp(`${accessKey.accessKeyId} +Active`));
    t.end();
  });
});
