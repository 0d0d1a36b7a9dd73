// The ways in which AWS's tools assume a role, with the daemon's STS.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { KMSClient, ListKeysCommand } from '@aws-sdk/client-kms';
import t from 'tap';
import { clientConfig, endpointOf } from '../../support/aws/aws.js';
import { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';
import { absent, aws, python, sourced } from '../../support/programs.js';

const run = promisify(execFile);
t.setTimeout(240_000);
const daemon = await TestDaemon.start(t);
const root = await daemon.connect();
t.teardown(() => root.close());

const document = (statement: object) =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...statement }] });
const roleArn = (
  await root.createRole({
    roleName: 'app',
    assumeRolePolicyDocument: document({ Principal: { AWS: '000000000000' }, Action: 'sts:AssumeRole' }),
  })
).role.arn;
const policy = async (policyName: string, Action: string) =>
  (await root.createPolicy({ policyName, policyDocument: document({ Action, Resource: '*' }) })).policy.arn;
await root.attachRolePolicy({ roleName: 'app', policyArn: await policy('list', 'kms:ListKeys') });
await root.createUser({ userName: 'alice' });
await root.attachUserPolicy({ userName: 'alice', policyArn: await policy('assume', 'sts:AssumeRole') });
const { accessKeyId = '', secretAccessKey = '' } = (await root.createAccessKey({ userName: 'alice' }))
  .accessKey;

const inHome = (name: string) => join(daemon.home, name);
writeFileSync(
  inHome('profiles'),
  `[alice]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
);
writeFileSync(
  inHome('config'),
  `[profile app]
role_arn = ${roleArn}
source_profile = alice
role_session_name = one

[profile process]
credential_process = ${inHome('become-app')}
`,
);
writeFileSync(
  inHome('become-app'),
  `#!/bin/sh
exec aws sts assume-role --profile alice --endpoint-url "$AWS_ENDPOINT_URL_STS" --output json \
  --role-arn ${roleArn} --role-session-name process --query \
  '{Version: \`1\`, AccessKeyId: Credentials.AccessKeyId, SecretAccessKey: Credentials.SecretAccessKey, SessionToken: Credentials.SessionToken, Expiration: Credentials.Expiration}'
`,
  { mode: 0o700 },
);
const env = {
  ...sourced(daemon),
  AWS_PROFILE: undefined,
  AWS_CONFIG_FILE: inHome('config'),
  AWS_SHARED_CREDENTIALS_FILE: inHome('profiles'),
};
const arnOf = (session: string) => `arn:aws:sts::000000000000:assumed-role/app/${session}`;

/** The last request that was allowed, and its principal. */
const lastCaller = () => daemon.events('ListKeys').at(-1)?.userIdentity as { type: string; arn: string };

const assuming = `
import { KMSClient, ListKeysCommand } from '@aws-sdk/client-kms';
import { STSClient, GetCallerIdentityCommand } from '@aws-sdk/client-sts';
const { Keys } = await new KMSClient({}).send(new ListKeysCommand({}));
const { Arn } = await new STSClient({}).send(new GetCallerIdentityCommand({}));
console.log(JSON.stringify({ Keys, Arn }));
`;

void t.test('the JavaScript SDK assumes a role by a profile', async (t) => {
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', assuming], {
    env: { ...env, AWS_PROFILE: 'app' },
    cwd: checkout,
  });
  t.strictSame(JSON.parse(stdout), { Keys: [], Arn: arnOf('one') });
  t.match(lastCaller(), { type: 'AssumedRole', arn: arnOf('one') });
});

void t.test('the JavaScript SDK assumes a role by fromTemporaryCredentials', async (t) => {
  const { endpoint, region, requestHandler } = clientConfig(daemon);
  const credentials = fromTemporaryCredentials({
    masterCredentials: { accessKeyId, secretAccessKey },
    params: { RoleArn: roleArn, RoleSessionName: 'two', DurationSeconds: 900 },
    clientConfig: { endpoint, region, requestHandler },
  });
  const client = new KMSClient({ ...clientConfig(daemon), credentials });
  t.teardown(() => client.destroy());
  t.match(await client.send(new ListKeysCommand({})), { Keys: [] });
  t.match(lastCaller(), { type: 'AssumedRole', arn: arnOf('two') });
  t.match(await client.send(new ListKeysCommand({})), { Keys: [] });
  const assumed = daemon.events('AssumeRole').filter(({ errorCode }) => errorCode === undefined);
  t.equal(
    assumed.filter((event) => JSON.stringify(event).includes('two')).length,
    1,
    'the role is assumed once for both requests',
  );
});

void t.test(
  'the AWS CLI assumes a role by credential_process',
  { skip: absent(aws, ['--version'], 'the AWS CLI', 'awscli') },
  async (t) => {
    const endpoint = ['--endpoint-url', endpointOf(daemon)];
    await run(aws, [...endpoint, '--profile', 'process', 'kms', 'list-keys'], { env });
    t.match(lastCaller(), { type: 'AssumedRole', arn: arnOf('process') });
    // By hand, with the credentials in the environment.
    const { stdout } = await run(
      aws,
      [
        ...endpoint,
        '--profile',
        'alice',
        'sts',
        'assume-role',
        '--role-arn',
        roleArn,
        '--role-session-name',
        'hand',
      ],
      { env },
    );
    const { Credentials } = JSON.parse(stdout) as { Credentials: Record<string, string> };
    const byHand = {
      AWS_ACCESS_KEY_ID: Credentials.AccessKeyId,
      AWS_SECRET_ACCESS_KEY: Credentials.SecretAccessKey,
      AWS_SESSION_TOKEN: Credentials.SessionToken,
    };
    await run(aws, [...endpoint, 'kms', 'list-keys'], { env: { ...env, ...byHand } });
    t.match(lastCaller(), { type: 'AssumedRole', arn: arnOf('hand') });
  },
);

const boto3 = `
import boto3, sys
endpoint, role = sys.argv[1:]
assumed = boto3.Session(profile_name='alice').client('sts', endpoint_url=endpoint).assume_role(
    RoleArn=role, RoleSessionName='boto3', DurationSeconds=900)['Credentials']
assert assumed['Expiration'].year >= 2024, assumed['Expiration']
session = boto3.Session(aws_access_key_id=assumed['AccessKeyId'], aws_secret_access_key=assumed['SecretAccessKey'],
                        aws_session_token=assumed['SessionToken'])
assert session.client('kms', endpoint_url=endpoint).list_keys()['Keys'] == []
print(session.client('sts', endpoint_url=endpoint).get_caller_identity()['Arn'])
kms = boto3.Session(profile_name='process').client('kms', endpoint_url=endpoint)
assert kms.list_keys()['Keys'] == []
try:
    kms.create_key()
    raise SystemExit('created')
except kms.exceptions.ClientError as error:
    assert error.response['Error']['Code'] == 'AccessDeniedException', error.response
`;

void t.test(
  'boto3 assumes a role by assume_role and by credential_process',
  { skip: absent(python, ['-c', 'import boto3'], 'boto3', 'python3-boto3') },
  async (t) => {
    const { stdout } = await run(python, ['-c', boto3, endpointOf(daemon), roleArn], { env });
    t.equal(stdout, `${arnOf('boto3')}\n`);
    t.match(lastCaller(), { type: 'AssumedRole', arn: arnOf('process') });
  },
);
