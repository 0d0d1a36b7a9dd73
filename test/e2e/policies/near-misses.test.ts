// Explanations of a running daemon name what a request lacks, only to those who may ask, in a pipe and on a terminal.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';

const arn = (resource: string) => `arn:aws:iam::000000000000:${resource}`;
const document = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
const plaintext = Buffer.from('x');

void t.test('policy explain names near misses', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  t.teardown(() => root.close());
  const { keyId, arn: keyArn } = (await root.createKey({})).keyMetadata;
  const policyArn = arn('policy/readers');
  const readers = (value: string) =>
    document({
      Sid: 'Readers',
      Effect: 'Allow',
      Action: 'kms:Encrypt',
      Resource: keyArn,
      Condition: { StringEquals: { 'kms:EncryptionContext:project': value } },
    });
  await root.createPolicy({ policyName: 'readers', policyDocument: readers('a') });
  await root.createUser({ userName: 'app', tags: [{ key: 'team', value: 'red' }] });
  await root.attachUserPolicy({ userName: 'app', policyArn });
  const { accessKey } = await root.createAccessKey({ userName: 'app' });
  const app = await daemon.connect({
    credentials: { accessKeyId: accessKey.accessKeyId, secretAccessKey: accessKey.secretAccessKey },
  });
  t.teardown(() => app.close());
  const project = (value: string) => [
    { contextKeyName: 'kms:EncryptionContext:project', contextKeyValues: [value] },
  ];
  const explain = (value: string, key = keyId) =>
    root.explainPolicy({ principal: 'user/app', action: 'kms:Encrypt', keyId: key, context: project(value) });
  const sentence = `Statement[0] ("Readers") of ${policyArn} would allow kms:Encrypt, but kms:EncryptionContext:project is "b" and must be "a".`;

  await t.test('a request with what the explanation demands is allowed', async (t) => {
    t.match(await explain('b'), {
      decision: 'IMPLICIT_DENY',
      nearMisses: [
        {
          policy: policyArn,
          statement: 'Statement[0]',
          sid: 'Readers',
          effect: 'Allow',
          applies: false,
          differences: [
            {
              element: 'Condition',
              conditionKey: 'kms:EncryptionContext:project',
              conditionOperator: 'StringEquals',
              requestValues: ['b'],
              policyValues: ['a'],
            },
          ],
          explanation: sentence,
        },
      ],
    });
    await t.rejects(app.encrypt({ keyId, plaintext, encryptionContext: { project: 'b' } }), {
      code: 'AccessDeniedException',
    });
    t.ok(await app.encrypt({ keyId, plaintext, encryptionContext: { project: 'a' } }));
    t.match(await explain('a'), { decision: 'ALLOWED', nearMisses: [] });
  });

  await t.test('also for another key, and of the version in force', async (t) => {
    const other = (await root.createKey({})).keyMetadata;
    t.match((await explain('a', other.keyId)).nearMisses, [
      { differences: [{ element: 'Resource', requestValues: [other.arn], policyValues: [keyArn] }] },
    ]);
    await root.createPolicyVersion({ policyArn, policyDocument: readers('b'), setAsDefault: true });
    t.match(await explain('b'), { decision: 'ALLOWED' });
    t.match((await explain('a')).nearMisses, [{ differences: [{ policyValues: ['b'] }] }]);
    await root.setDefaultPolicyVersion({ policyArn, versionId: 'v1' });
  });

  await t.test('a deny says which conditions make it apply', async (t) => {
    const stop = document(
      { Effect: 'Allow', Action: 'kms:*', Resource: '*' },
      {
        Sid: 'Stop',
        Effect: 'Deny',
        Action: 'kms:*',
        Resource: '*',
        Condition: { StringEquals: { 'aws:PrincipalTag/team': 'red' } },
      },
    );
    const { policy } = await root.createPolicy({ policyName: 'stop', policyDocument: stop });
    await root.attachUserPolicy({ userName: 'app', policyArn: policy.arn });
    t.match(await explain('a'), {
      decision: 'EXPLICIT_DENY',
      nearMisses: [
        {
          effect: 'Deny',
          applies: true,
          explanation: `Statement[1] ("Stop") of ${policy.arn} denies kms:Encrypt, because aws:PrincipalTag/team is "red". It does not where aws:PrincipalTag/team is not "red".`,
        },
      ],
    });
    await root.tagUser({ userName: 'app', tags: [{ key: 'team', value: 'blue' }] });
    t.match(await explain('a'), { decision: 'ALLOWED', nearMisses: [{ effect: 'Deny', applies: false }] });
    await root.detachUserPolicy({ userName: 'app', policyArn: policy.arn });
  });

  await t.test('callers without the permission get no explanation', async (t) => {
    const refused = await app
      .explainPolicy({ principal: 'user/app', action: 'kms:Encrypt', keyId, context: project('b') })
      .then(
        () => 'told',
        (error: Error) => JSON.stringify(error) + error.message,
      );
    t.match(refused, /not authorized to perform: keyhold:ExplainPolicy/);
    t.notMatch(refused, /Readers|must be|project/);
    const denied = await app.encrypt({ keyId, plaintext }).catch((error: Error) => error.message);
    t.notMatch(denied, /Readers|must be|project/, 'the refusal of a request explains nothing');
  });

  await t.test('as JSON in a pipe, and as sentences on a terminal', async (t) => {
    const args = ['policy', 'explain', '--principal', 'user/app', '--action', 'kms:Encrypt', '--key', keyId];
    const context = ['--context', 'kms:EncryptionContext:project=b'];
    const { stdout } = await daemon.cli([...args, ...context]);
    t.match(JSON.parse(stdout), { NearMisses: [{ Explanation: sentence }] });
    const cli = join(checkout, 'dist/client/cli/main.js');
    const line = ['stty cols 80;', process.execPath, cli, ...args, ...context].join(' ');
    const env = { ...daemon.env, TERM: 'xterm', SHELL: '/bin/sh', NO_COLOR: '1' };
    const screen = execFileSync('script', ['-qec', line, '/dev/null'], { env })
      .toString()
      .replaceAll('\r\n', '\n');
    t.match(screen, /^Decision +IMPLICIT_DENY\n/);
    t.ok(screen.endsWith(`\nNearMisses\n  - ${sentence}\n`), screen);
  });
});
