// Commands for people: ls, show, whoami, version, completion, and their output on a terminal.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { onTerminal } from '../../support/terminal.js';

void t.test('commands at a terminal', { timeout: 600_000 }, async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const create = async (request: Parameters<typeof client.createKey>[0], alias?: string) => {
    const keyId = (await client.createKey(request)).keyMetadata.keyId;
    if (alias !== undefined) await client.createAlias({ aliasName: `alias/${alias}`, targetKeyId: keyId });
    return keyId;
  };
  const tags = [{ tagKey: 'team', tagValue: 'red' }];
  const app = await create({ description: 'bad \u009b2Jtext', tags }, 'app');
  const pair = await create({ keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' }, 'pair');
  const bare = await create({});
  await client.encrypt({ keyId: app, plaintext: Buffer.from('x') });
  await client.disableKey({ keyId: bare });

  const guest: NodeJS.ProcessEnv = {};
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await daemon.cli(args);
    t.equal(code, 0, `${args.join(' ')} ${stderr}`);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const listed = async (...args: string[]) =>
    ((await json('ls', ...args)).Keys as { KeyId: string }[]).map(({ KeyId }) => KeyId).sort();

  await t.test('ls lists the keys that match its filters, in a pipe as JSON', async (t) => {
    const { Keys } = (await json('ls')) as { Keys: Record<string, unknown>[] };
    t.match(
      Keys.find(({ KeyId }) => KeyId === app),
      { KeyState: 'Enabled', KeySpec: 'SYMMETRIC_DEFAULT', Aliases: ['alias/app'], LastUsedDate: /^20/ },
    );
    t.same(await listed('--state', 'disabled'), [bare]);
    t.same(await listed('--usage', 'SIGN_VERIFY', '--alias', 'pa*'), [pair]);
    t.same(await listed('--tag', 'team=red'), [app]);
    t.same(await listed('--tag', 'team=blue'), []);
    t.same(await listed('--unused-for', '1h'), []);
    t.same(await listed('--unused-for', '0s'), [app, pair, bare].sort());
    t.match(await daemon.cli(['ls', '--state', 'Enabeld']), { code: 2, stderr: /Enabled/ });
    t.match(await daemon.cli(['ls', '--unused-for', 'long']), { code: 2, stderr: /such as 90d/ });
  });

  await t.test('show finds a key by alias, and shows everything about it', async (t) => {
    t.match(await json('show', 'app'), {
      KeyId: app,
      Aliases: ['alias/app'],
      Tags: { team: 'red' },
      LastUsage: { Operation: 'Encrypt' },
      Rotation: { KeyRotationEnabled: false },
      Grants: [],
      Policy: { Statement: [{ Effect: 'Allow' }] },
    });
    t.match(await json('show', pair.slice(0, 8)), { KeyId: pair });
    t.match(await daemon.cli(['show', 'none']), { code: 2, stderr: /no key 'none'/ });
  });

  await t.test('a user with few permissions is told which parts are not shown', async (t) => {
    await client.createUser({ userName: 'guest' });
    const { accessKey } = await client.createAccessKey({ userName: 'guest' });
    const statement = (Action: string[]) => ({ Effect: 'Allow', Action, Resource: '*' });
    const policyDocument = JSON.stringify({
      Version: '2012-10-17',
      Statement: [statement(['kms:ListKeys', 'kms:DescribeKey'])],
    });
    const { policy } = await client.createPolicy({ policyName: 'guest', policyDocument });
    await client.attachUserPolicy({ userName: 'guest', policyArn: policy.arn });
    const credentials = join(daemon.home, 'guest-credentials');
    const secret = `aws_access_key_id = ${accessKey.accessKeyId}\naws_secret_access_key = ${accessKey.secretAccessKey}\n`;
    writeFileSync(credentials, `[guest]\n${secret}`);
    guest.AWS_SHARED_CREDENTIALS_FILE = credentials;
    const env = guest;
    const shown = await daemon.cli(['show', app, '--profile', 'guest'], { env });
    t.match(JSON.parse(shown.stdout), {
      KeyId: app,
      Policy: undefined,
      NotShown: { GetKeyPolicy: 'AccessDeniedException', ListGrants: 'AccessDeniedException' },
    });
    const whoami = await daemon.cli(['whoami', '--profile', 'guest'], { env });
    t.match(JSON.parse(whoami.stdout), {
      Arn: /:user\/guest$/,
      Type: 'user',
      Credentials: "profile 'guest'",
    });
  });

  await t.test('status shows daemon, workers, audit log, keys and planned events', async (t) => {
    await client.enableKeyRotation({ keyId: app, rotationPeriodInDays: 90 });
    await client.scheduleKeyDeletion({ keyId: bare, pendingWindowInDays: 7 });
    const status = await json('status');
    t.match(status, {
      Version: /^\d/,
      Healthy: true,
      Region: 'us-east-1',
      KeyStores: [{ Name: 'default', State: 'connected', ReadyWorkers: Number, Workers: Number }],
      Audit: { Available: true, Sequence: Number },
      DueCount: Number,
    });
    const due = (status.Due as { Kind: string; Subject: string }[]).map(({ Kind, Subject }) => [
      Kind,
      Subject,
    ]);
    t.same(
      due.filter(([kind]) => kind !== 'certificate'),
      [
        ['deletion', bare],
        ['rotation', app],
      ],
    );
    const screen = onTerminal(daemon, 'keyhold status', '', { NO_COLOR: '1' });
    t.match(screen, /^Daemon +healthy, version /);
    t.match(screen, new RegExp(`deletion +in [67] d +${bare}\n`));
    t.match(screen, /Keys +\d Enabled, 1 PendingDeletion|Keys +1 PendingDeletion, \d Enabled/);
    t.ok(screen.split('\n').length < 24, 'the status fits on one screen');
    t.match(await daemon.cli(['status', '--profile', 'guest'], { env: guest }), {
      code: 1,
      stderr: /AccessDenied/,
    });
  });

  await t.test('a terminal gets tables and colors, but no control characters from data', (t) => {
    const table = onTerminal(daemon, 'keyhold ls');
    t.match(table, /ALIAS.*KEY ID.*STATE.*SPEC.*USAGE.*LAST USE/);
    t.match(
      table,
      new RegExp(`app +${app.slice(0, 8)} +\\u001b\\[32mEnabled\\u001b\\[39m +SYMMETRIC_DEFAULT +encrypt`),
    );
    t.notMatch(onTerminal(daemon, 'keyhold ls', '', { NO_COLOR: '1' }), /\u001b/);
    t.match(onTerminal(daemon, 'keyhold ls | cat'), /^\{\n {4}"Keys"/);
    t.match(onTerminal(daemon, 'keyhold list-keys --output json'), /^\{\n {4}"Keys"/);
    t.match(onTerminal(daemon, 'AWS_DEFAULT_OUTPUT=text keyhold list-keys'), /^KEYS\t/);
    const shown = onTerminal(daemon, 'keyhold show app');
    t.match(shown, /Description.* bad \\u009b2Jtext\n/);
    t.match(shown, /"Action": "kms:\*"/);
    for (const line of table.replace(/\u001b\[\d+m/g, '').split('\n')) t.ok(line.length <= 80, line);
    t.end();
  });

  await t.test(
    'on a terminal alone, an alias that does not exist suggests a near one that the caller may list',
    async (t) => {
      const meant = /Alias \S+:alias\/pari is not found\. Did you mean alias\/pair\?/;
      const guestEnv = { ...guest, NO_COLOR: '1' };
      const failed = (line: string, env: NodeJS.ProcessEnv = {}) =>
        onTerminal(daemon, `${line} || true`, '', env);
      t.match(failed('keyhold show alias/pari'), meant);
      t.match(failed('keyhold show pari'), /no key 'pari'.* Did you mean alias\/pair\?/);
      t.match(failed('keyhold encrypt --key-id alias/pari --plaintext AAAA'), meant);
      t.notMatch(failed('keyhold show alias/zebra'), /Did you mean/);
      t.notMatch(failed('keyhold show alias/pari --profile guest', guestEnv), /Did you mean/);
      const { code, stderr } = await daemon.cli(['show', 'alias/pari']);
      t.equal(code, 1);
      t.match(stderr, /alias\/pari is not found\.\n$/);
      // A member of a structure and a value of an enum are suggested everywhere: the command line knows them itself.
      t.match(
        await daemon.cli(['tag-resource', '--key-id', app, '--tags', '[{"TagKye":"a","TagValue":"b"}]']),
        {
          code: 2,
          stderr: /no member 'TagKye'.* Did you mean TagKey\?/,
        },
      );
      t.match(await daemon.cli(['create-key', '--key-spec', 'RSA_2084']), {
        code: 2,
        stderr: /Did you mean RSA_2048\?/,
      });
    },
  );

  await t.test('version, and completion scripts that the shells accept', async (t) => {
    const { stdout } = await daemon.cli(['version']);
    t.match(stdout, /^keyhold \d+\.\d+\.\d+ \(Node\.js /);
    t.equal((await daemon.cli(['--version'])).stdout, stdout);
    const script = join(t.testdir(), 'completion');
    writeFileSync(script, (await daemon.cli(['completion', 'bash'])).stdout);
    const complete = (words: string) =>
      execFileSync('bash', [
        '-c',
        `. '${script}'; COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _keyhold; echo "\${COMPREPLY[*]}"`,
      ])
        .toString()
        .trim()
        .split(' ');
    t.same(complete('keyhold describe'), ['describe-key', 'describe-custom-key-stores']);
    t.same(complete('keyhold audit q'), ['query']);
    t.same(complete('keyhold --region x encrypt --plain'), ['--plaintext']);
    t.same(complete('keyhold create-key --key-spec HMAC_2'), ['HMAC_224', 'HMAC_256']);
    t.same(complete('keyhold completion z'), ['zsh']);
    for (const shell of ['zsh', 'fish']) {
      const { code, stdout: text } = await daemon.cli(['completion', shell]);
      t.equal(code, 0);
      t.match(text, /create-key/);
    }
    t.match(await daemon.cli(['completion', 'tcsh']), { code: 2, stderr: /bash, zsh, fish/ });
  });
});
