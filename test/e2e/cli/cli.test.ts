// The command line, compatible with the AWS CLI v2.
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';

void t.test('the command line', async (t) => {
  const daemon = await TestDaemon.start(t);
  const cwd = t.testdir();
  const run = (...args: string[]) => daemon.cli(args, { cwd });
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args);
    t.equal(code, 0, `${args.join(' ')} ${stderr}`);
    return JSON.parse(stdout) as Record<string, Record<string, unknown>>;
  };
  const created = await json(
    'create-key',
    '--description',
    'a key',
    '--tags',
    'TagKey=team,TagValue=red',
    'TagKey=b,TagValue=',
  );
  const keyId = created.KeyMetadata!.KeyId as string;

  await t.test('output has the names and formats of the AWS CLI', async (t) => {
    t.match(created.KeyMetadata, {
      AWSAccountId: '000000000000',
      CreationDate: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/,
      Description: 'a key',
      Enabled: true,
    });
    t.match(await run('create-alias', '--alias-name', 'alias/cli', '--target-key-id', keyId), {
      code: 0,
      stdout: '',
    });
    t.match(
      await run('describe-key', '--key-id', 'alias/cli', '--query', 'KeyMetadata.KeyId', '--output', 'text'),
      {
        code: 0,
        stdout: `${keyId}\n`,
      },
    );
    t.match(await run('list-aliases', '--output', 'text'), {
      stdout: /^ALIASES\tarn:aws:kms:.*\talias\/cli\t/m,
    });
    t.match(await run('list-keys', '--output', 'table'), { stdout: /^Keys\n\+-+\+-+\+\n\| KeyId/ });
    t.same(Object.keys(await json('list-keys')), ['Keys']);
    t.same((await json('list-keys', '--limit', '1')).Truncated, false);
  });

  await t.test('encrypt and decrypt take base64 and files, and contexts in both notations', async (t) => {
    writeFileSync(join(cwd, 'plain'), randomBytes(100));
    const args = ['--encryption-context', 'a=1,b=x=y', '--query', 'CiphertextBlob', '--output', 'text'];
    const { stdout } = await run('encrypt', '--key-id', 'alias/cli', '--plaintext', 'fileb://plain', ...args);
    writeFileSync(join(cwd, 'blob'), Buffer.from(stdout, 'base64'));
    const context = '{"b":"x=y","a":"1"}';
    for (const blob of ['fileb://blob', stdout.trim()]) {
      const opened = await json('decrypt', '--ciphertext-blob', blob, '--encryption-context', context);
      t.equal(opened.Plaintext, readFileSync(join(cwd, 'plain'), 'base64'));
    }
    const wrong = await run('decrypt', '--ciphertext-blob', 'fileb://blob');
    t.match(wrong, {
      code: 1,
      stdout: '',
      stderr:
        /^keyhold: An error occurred \(InvalidCiphertextException\) when calling the Decrypt operation: The ciphertext was altered/m,
    });
  });

  await t.test('disable-key and enable-key succeed and print nothing', async (t) => {
    t.match(await run('disable-key', '--key-id', keyId), { code: 0, stdout: '', stderr: '' });
    t.match(await run('encrypt', '--key-id', keyId, '--plaintext', 'aGk='), {
      code: 1,
      stderr: /DisabledException/,
    });
    t.match(await run('enable-key', '--key-id', keyId), { code: 0, stdout: '' });
    t.match(await run('encrypt', '--key-id', keyId, '--plaintext', 'aGk=', '--dry-run'), {
      code: 1,
      stderr: /DryRunOperationException/,
    });
    t.match(await run('encrypt', '--key-id', keyId, '--plaintext', 'aGk=', '--no-dry-run'), { code: 0 });
  });

  await t.test('wrong usage exits with 2 and advice', async (t) => {
    const cases: [args: string[], message: RegExp][] = [
      [[], /Usage: keyhold/],
      [['encript'], /unknown command 'encript'[\s\S]*encrypt/],
      [['encrypt', '--plaintext', 'aGk='], /required option --key-id/],
      [
        ['encrypt', '--key-id', 'x', '--plaintext', 'not base64!'],
        /--plaintext takes base64, or a file as fileb:/,
      ],
      [['encrypt', '--key-id', 'x', '--plaintext', 'file://plain'], /fileb:\/\/plain/],
      [['encrypt', '--key-id', 'x', '--plaintext', 'fileb://none'], /none cannot be read \(ENOENT\)/],
      [
        ['encrypt', '--key-id', 'x', '--plaintext', 'aGk=', '--encryption-context', 'ab'],
        /takes pairs such as/,
      ],
      [['generate-data-key', '--key-id', 'x', '--key-spec', 'AES_512'], /one of: AES_128, AES_256/],
      [['generate-random', '--number-of-bytes', 'many'], /whole number/],
      [['list-keys', '--output', 'xml'], /json, yaml, text, table/],
      [['list-keys', '--query', 'Keys['], /--query/],
      [['open', 'file.txt'], /does not end in \.sealed/],
    ];
    for (const [args, message] of cases) {
      const { code, stdout, stderr } = await run(...args);
      t.equal(code, 2, args.join(' '));
      t.match(stdout + stderr, message);
    }
    t.match(await run('--help'), { code: 0, stdout: /create-key[\s\S]*seal/ });
    t.match(await run('encrypt', '--help'), { code: 0, stdout: /--encryption-algorithm/ });
  });

  await t.test('without a daemon a command exits with 3 at once; a silent daemon gets 5 s', async (t) => {
    const started = Date.now();
    const none = await daemon.cli(['list-keys'], {
      env: { KEYHOLD_URL: 'unix:/nonexistent/keyhold.sock' },
    });
    t.match(none, { code: 3, stdout: '', stderr: /No daemon answers.*scripts\/start/ });
    t.ok(Date.now() - started < 4_900);
    const mute = createServer(() => undefined);
    const path = join(cwd, 'mute.sock');
    await new Promise<void>((done) => mute.listen(path, done));
    const silent = await daemon.cli(['list-keys'], { env: { KEYHOLD_URL: `unix:${path}` } });
    mute.close();
    t.equal(silent.code, 3);
    t.ok(Date.now() - started > 4_900);
  });

  await t.test(
    'a file is sealed and opened; an edit, an existing output and a missing key leave no file',
    async (t) => {
      const content = randomBytes(300_000);
      writeFileSync(join(cwd, 'file.bin'), content);
      t.match(
        await run('seal', '--key-id', 'alias/cli', '--encryption-context', 'purpose=test', 'file.bin'),
        { code: 0, stdout: '', stderr: '' },
      );
      t.match(
        await run('open', 'file.bin.sealed'),
        { code: 1, stderr: /file\.bin/ },
        'an existing output is refused',
      );
      t.match(await run('open', 'file.bin.sealed', '--output-file', 'copy.bin'), { code: 0 });
      t.ok(readFileSync(join(cwd, 'copy.bin')).equals(content));
      const piped = await daemon.cli(['seal', '--key-id', 'alias/cli', '-'], {
        cwd,
        input: Buffer.from('from a pipe'),
      });
      t.equal(piped.code, 0);
      const sealed = readFileSync(join(cwd, 'file.bin.sealed'));
      sealed[200_000]! ^= 1;
      writeFileSync(join(cwd, 'bad.sealed'), sealed);
      t.match(await run('open', 'bad.sealed'), { code: 1 });
      t.notOk(existsSync(join(cwd, 'bad')));
      t.match(await run('seal', '--key-id', 'alias/none', 'copy.bin'), {
        code: 1,
        stderr: /NotFoundException/,
      });
      t.match(await run('seal', '--key-id', 'alias/cli', 'nothing.bin'), { code: 1, stderr: /nothing\.bin/ });
      t.same(
        readdirSync(cwd).sort(),
        ['bad.sealed', 'blob', 'copy.bin', 'file.bin', 'file.bin.sealed', 'mute.sock', 'plain'].filter(
          (name) => existsSync(join(cwd, name)),
        ),
      );
    },
  );

  await t.test('audit verify and audit tail are commands too', async (t) => {
    t.match(await run('audit', 'verify'), { code: 0 });
    const { stdout } = await run('audit', 'tail', '-n', '3');
    t.equal(stdout.trim().split('\n').length, 3);
    t.match(await run('audit', 'verify', '--wrong'), { code: 2 });
    t.match(await run('login-retry', 'default'), { code: 0, stdout: /nothing to do/ });
  });
});

void t.test('the environment file works in a plain shell under set -u, from another folder', async (t) => {
  const daemon = await TestDaemon.start(t);
  const { execFileSync } = await import('node:child_process');
  const script = `set -eu; cd /; . '${daemon.home}/env'; . '${daemon.home}/env'; echo "$PATH"; keyhold list-keys --output json; printf '%s' "\${AWS_ACCESS_KEY_ID-unset}"`;
  const output = execFileSync('/bin/sh', ['-c', script], {
    env: { PATH: process.env.PATH, AWS_ACCESS_KEY_ID: 'x' },
  }).toString();
  t.match(output, /"Keys": \[\]/);
  t.match(output, /unset$/);
  t.equal(
    output
      .split('\n')[0]!
      .split(':')
      .filter((part) => part === join(daemon.home, 'bin')).length,
    1,
  );
});
