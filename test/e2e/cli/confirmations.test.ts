// Commands that remove something ask for confirmation on a terminal, but not in a pipe.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';

const allowAll = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
});
const policyArn = 'arn:aws:iam::000000000000:policy/all';
const question = 'Go on? [y/N]';

/** Runs a command on a terminal. @param answer what is typed; '' is the end of input */
function onTerminal(
  daemon: TestDaemon,
  answer: string,
  ...args: string[]
): Promise<{ code: number; text: string }> {
  const cli = join(checkout, 'dist/client/cli/main.js');
  const line = [process.execPath, cli, ...args].map((word) => `'${word}'`).join(' ');
  const env = { ...daemon.env, TERM: 'xterm', SHELL: '/bin/sh', NO_COLOR: '1' };
  return new Promise((resolve) => {
    const child = execFile('script', ['-qec', line, '/dev/null'], { env }, (error, stdout) => {
      const code = error ? Number(error.code) : 0;
      resolve({ code, text: stdout.replaceAll('\r\n', '\n') });
    });
    // The answer is typed when the question is there: what is typed before may be flushed.
    let seen = '';
    child.stdout!.on('data', (data: string) => {
      const isAsked = seen.includes(question);
      seen += data;
      if (!isAsked && seen.includes(question)) child.stdin!.end(answer);
    });
  });
}

void t.test('commands that remove something', { timeout: 600_000 }, async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  t.teardown(() => root.close());
  await root.createPolicy({ policyName: 'all', policyDocument: allowAll });
  const trust = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::000000000000:root' }, Action: 'sts:AssumeRole' },
    ],
  });
  await root.createUser({ userName: 'app' });
  await root.createRole({ roleName: 'worker', assumeRolePolicyDocument: trust });
  const attach = () => root.attachUserPolicy({ userName: 'app', policyArn });
  const attached = async () =>
    (await root.listAttachedUserPolicies({ userName: 'app' })).attachedPolicies.length;
  const says = 'Whatever only policy';

  await t.test('any answer other than yes leaves everything as it is', async (t) => {
    await attach();
    for (const answer of ['n\n', '\n', 'yep\n', '\x03', '\x04']) {
      const { code, text } = await onTerminal(daemon, answer, 'identity', 'detach-policy', 'app', 'all');
      const name = JSON.stringify(answer);
      t.equal(code, 1, name);
      t.match(text, `Whatever only policy '${policyArn}' allows user 'app' is refused`, name);
      t.match(text, 'Nothing was done.', name);
      t.equal(await attached(), 1, name);
    }
    t.equal(daemon.events('DetachUserPolicy').length, 0, 'no request is sent');
  });

  await t.test('the answer yes confirms the command', async (t) => {
    for (const answer of ['y\n', 'YES\n']) {
      await attach();
      const { code, text } = await onTerminal(daemon, answer, 'identity', 'detach-policy', 'app', 'all');
      t.equal(code, 0, text);
      t.equal(await attached(), 0);
    }
    await attach();
    const detach = ['detach-user-policy', '--user-name', 'app', '--policy-arn', policyArn];
    t.match(await onTerminal(daemon, 'y\n', ...detach), { code: 0, text: says });
    t.equal(await attached(), 0);
  });

  await t.test('--yes answers in advance', async (t) => {
    await attach();
    const { code, text } = await onTerminal(daemon, '', 'identity', 'detach-policy', 'app', 'all', '--yes');
    t.equal(code, 0, text);
    t.notMatch(text, /Go on/);
    t.equal(await attached(), 0);
  });

  await t.test('in a pipe no command asks, with or without --yes, as in the AWS CLI', async (t) => {
    for (const yes of [[], ['--yes']]) {
      await attach();
      t.match(await daemon.cli(['identity', 'detach-policy', 'app', 'all', ...yes]), {
        code: 0,
        stderr: '',
      });
      t.equal(await attached(), 0);
    }
  });

  await t.test('a key is described with its aliases and last use', async (t) => {
    const { keyMetadata } = await root.createKey({ description: 'for payments' });
    const { keyId } = keyMetadata;
    await root.createAlias({ aliasName: 'alias/payments', targetKeyId: keyId });
    const disable = ['disable-key', '--key-id', keyId];
    const unused = await onTerminal(daemon, 'n\n', ...disable);
    t.match(
      unused.text,
      `Key ${keyId}, alias/payments, SYMMETRIC_DEFAULT, Enabled\n  for payments\n  never used`,
    );
    await root.encrypt({ keyId, plaintext: Buffer.from('x') });
    const used = await onTerminal(daemon, 'n\n', ...disable);
    t.match(used.text, /last used .*\(Encrypt, /);
    t.match(used.text, 'Every use of the key is refused');
    t.equal((await root.describeKey({ keyId })).keyMetadata.keyState, 'Enabled');
  });

  await t.test('each command says what its effect is', async (t) => {
    const { accessKey } = await root.createAccessKey({ userName: 'app' });
    const { keyMetadata } = await root.createKey({});
    const keyId = keyMetadata.keyId;
    const { grantId, grantToken } = await root.createGrant({
      keyId,
      granteePrincipal: 'arn:aws:iam::000000000000:user/app',
      operations: ['Decrypt'],
    });
    await root.createPolicyVersion({ policyArn, policyDocument: allowAll });
    const worker = ['--role-name', 'worker'];
    const ofPolicy = ['--policy-arn', policyArn];
    const version = [...ofPolicy, '--version-id', 'v2'];
    const boundary = ['--permissions-boundary', policyArn];
    const cases: readonly [text: string, ...args: string[]][] = [
      [`allows role 'worker' and its sessions`, 'detach-role-policy', ...worker, ...ofPolicy],
      [
        `does not allow is refused to user 'app'`,
        'put-user-permissions-boundary',
        '--user-name',
        'app',
        ...boundary,
      ],
      [`refused to role 'worker' and its sessions`, 'put-role-permissions-boundary', ...worker, ...boundary],
      [`Version 'v2' of policy '${policyArn}' is in force`, 'set-default-policy-version', ...version],
      [`Version 'v2' of policy '${policyArn}' is deleted`, 'delete-policy-version', ...version],
      [
        `The new version of policy '${policyArn}' is in force`,
        'create-policy-version',
        ...ofPolicy,
        '--set-as-default',
        '--policy-document',
        allowAll,
      ],
      [
        'The present policy of the key is replaced',
        'put-key-policy',
        '--key-id',
        keyId,
        '--policy',
        allowAll,
      ],
      [
        `can no longer assume role 'worker'`,
        'update-assume-role-policy',
        ...worker,
        '--policy-document',
        trust,
      ],
      [`only grant '${grantId}' allows`, 'revoke-grant', '--key-id', keyId, '--grant-id', grantId],
      ['destroyed in 30 days (', 'schedule-key-deletion', '--key-id', keyId],
      [
        'or sooner where the daemon allows no period of that length',
        'schedule-key-deletion',
        '--key-id',
        keyId,
      ],
      ['destroyed in 7 days (', 'schedule-key-deletion', '--key-id', keyId, '--pending-window-in-days', '7'],
      ['only this grant allows', 'retire-grant', '--grant-token', grantToken],
      [
        `access key '${accessKey.accessKeyId}' are refused`,
        'update-access-key',
        '--access-key-id',
        accessKey.accessKeyId,
        '--status',
        'Inactive',
      ],
      [`access key '${accessKey.accessKeyId}' are refused`, 'identity', 'deactivate', accessKey.accessKeyId],
    ];
    const sent = daemon.auditRecords().length;
    for (const [says, ...args] of cases) {
      const { code, text } = await onTerminal(daemon, 'n\n', ...args);
      t.equal(code, 1, args.join(' '));
      t.match(text.replace(/\s+/g, ' '), says, args.join(' '));
    }
    const changes = daemon
      .auditRecords()
      .slice(sent)
      .filter(({ readOnly }) => readOnly === false);
    t.strictSame(changes, [], 'nothing is changed');
  });

  await t.test('commands that remove nothing do not ask', async (t) => {
    const create = ['create-policy-version', '--policy-arn', policyArn, '--policy-document', allowAll];
    const { accessKeyMetadata } = await root.listAccessKeys({ userName: 'app' });
    const id = accessKeyMetadata[0]!.accessKeyId;
    for (const args of [create, ['identity', 'activate', id], ['identity', 'attach-policy', 'app', 'all']]) {
      const { code, text } = await onTerminal(daemon, '', ...args);
      t.equal(code, 0, text);
      t.notMatch(text, /Go on/, args.join(' '));
    }
  });
});
