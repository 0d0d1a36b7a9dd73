// The global options of the AWS CLI, and the forms in which it takes values.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { endpointOf } from '../../support/aws/aws.js';
import { TestDaemon } from '../../support/daemon.js';

void t.test('the command line', { timeout: 600_000 }, async (t) => {
  const daemon = await TestDaemon.start(t);
  const cwd = t.testdir();
  const run = (...args: string[]) => daemon.cli(args, { cwd });
  const out = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args);
    t.equal(code, 0, `${args.join(' ')} ${stderr}`);
    return stdout;
  };
  const refused = async (args: string[], message: RegExp, code = 2) => {
    const finished = await run(...args);
    t.equal(finished.code, code, args.join(' '));
    t.match(finished.stderr, message);
  };
  const id = ['--query', 'KeyMetadata.KeyId', '--output', 'text'];
  const keyId = (await out('create-key', ...id)).trim();

  await t.test('blobs can be base64 with line breaks, or files of base64, bytes or text', async (t) => {
    const bytes = randomBytes(100);
    const lines = bytes.toString('base64').replace(/.{40}/g, '$&\r\n');
    writeFileSync(join(cwd, 'bytes'), bytes);
    writeFileSync(join(cwd, 'base64'), `${lines}\n`);
    writeFileSync(join(cwd, 'text'), 'grüße\n');
    const raw = ['--cli-binary-format', 'raw-in-base64-out'];
    const given: [string[], Buffer][] = [
      [['--plaintext', lines], bytes],
      [['--plaintext', 'file://base64'], bytes],
      [['--plaintext', 'fileb://bytes'], bytes],
      [['--plaintext', 'grüße', ...raw], Buffer.from('grüße')],
      [['--plaintext', 'file://text', ...raw], readFileSync(join(cwd, 'text'))],
      [['--plaintext', 'fileb://bytes', ...raw], bytes],
      [['--cli-input-json', JSON.stringify({ Plaintext: bytes.toString('base64') })], bytes],
    ];
    const client = await daemon.connect();
    let blob = '';
    for (const [args, expected] of given) {
      const encrypt = ['encrypt', '--key-id', keyId, '--query', 'CiphertextBlob', '--output', 'text'];
      blob = await out(...encrypt, ...args);
      const { plaintext } = await client.decrypt({ ciphertextBlob: Buffer.from(blob, 'base64') });
      t.same(Buffer.from(plaintext), expected, args.join(' ').slice(0, 60));
    }
    await client.close();
    writeFileSync(join(cwd, 'blob'), blob.replace(/.{76}/g, '$&\n'));
    const opened = await out('decrypt', '--ciphertext-blob', 'file://blob', '--query', 'Plaintext');
    t.equal(JSON.parse(opened), bytes.toString('base64'));
    const encrypt = (plaintext: string) => ['encrypt', '--key-id', keyId, '--plaintext', plaintext];
    await refused(encrypt('not base64!'), /takes base64, or a file as fileb:\/\/path/);
    await refused(encrypt('file://bytes'), /is not text in UTF-8; give bytes as fileb:/);
  });

  await t.test('maps, structures and lists mean the same in shorthand and JSON', async (t) => {
    const contexts: [string, Record<string, string>][] = [
      ['a=b c, d = "x,y" ', { a: 'b c', d: 'x,y' }],
      ['a="it\'s",b=\'say "hi"\'', { a: "it's", b: 'say "hi"' }],
      ['a=b\\,c,d=e=f', { a: 'b,c', d: 'e=f' }],
      ['{"a": "b c", "d": ""}', { a: 'b c', d: '' }],
      ['file://context.json', { from: 'a file' }],
    ];
    writeFileSync(join(cwd, 'context.json'), ' {"from": "a file"}\n');
    for (const [text, encryptionContext] of contexts) {
      await out('encrypt', '--key-id', keyId, '--plaintext', 'aGk=', '--encryption-context', text);
      const { requestParameters } = daemon.events('Encrypt').at(-1) as { requestParameters: object };
      t.match(requestParameters, { encryptionContext }, text);
    }
    const context = (text: string) => [
      'encrypt',
      '--key-id',
      keyId,
      '--plaintext',
      'aGk=',
      '--encryption-context',
      text,
    ];
    await refused(context('a=b,c'), /the value of 'a' must be one string/);
    const tagsOf = async () =>
      JSON.parse(await out('list-resource-tags', '--key-id', keyId, '--query', 'Tags')) as unknown;
    const tag = ['tag-resource', '--key-id', keyId, '--tags'];
    await out(...tag, 'TagKey=a,TagValue="b, c"', "TagKey='d e',TagValue=");
    t.same(await tagsOf(), [
      { TagKey: 'a', TagValue: 'b, c' },
      { TagKey: 'd e', TagValue: '' },
    ]);
    await out(...tag, '[{"TagKey": "a", "TagValue": "1"}]');
    await out(...tag, '{"TagKey": "d e", "TagValue": "2"}');
    t.same(await tagsOf(), [
      { TagKey: 'a', TagValue: '1' },
      { TagKey: 'd e', TagValue: '2' },
    ]);
    const grant = [
      'create-grant',
      '--key-id',
      keyId,
      '--grantee-principal',
      'arn:aws:iam::000000000000:root',
    ];
    await out(
      ...grant,
      '--operations',
      'Encrypt',
      'Decrypt',
      '--constraints',
      'EncryptionContextSubset={a=b,c="d e"}',
    );
    const grants = JSON.parse(await out('list-grants', '--key-id', keyId)) as { Grants: object[] };
    t.match(grants.Grants, [
      { Operations: ['Encrypt', 'Decrypt'], Constraints: { EncryptionContextSubset: { a: 'b', c: 'd e' } } },
    ]);
  });

  await t.test('global options work before and after the name of the command', async (t) => {
    const keys = ['list-keys', '--query', 'Keys[].KeyId', '--output', 'text'];
    const endpoint = ['--ca-bundle', join(daemon.home, 'tls/ca.pem'), '--endpoint-url', endpointOf(daemon)];
    const options = [
      ...['--region', 'us-east-1', '--profile', 'default', '--cli-read-timeout', '60'],
      ...['--cli-connect-timeout', '0', '--no-cli-pager', '--color', 'off', '--no-cli-auto-prompt'],
    ];
    t.equal((await out(...keys, ...options, ...endpoint)).trim(), keyId);
    t.equal((await out(...options, '--endpoint-url', daemon.url, ...keys)).trim(), keyId);
    t.match(await out('--output', 'text', 'list-keys'), /^KEYS\t/);
    t.match(await run('list-keys', '--debug'), {
      code: 0,
      stdout: /^\{/,
      stderr: /debug: connecting to unix:/,
    });
    t.match(await out('list-keys', '--output', 'yaml'), /^Keys:\n {2}- KeyId: /);
    t.equal(await out('list-keys', '--output', 'off'), '');
    t.match(await out('identity', 'list', '--region', 'us-east-1'), /"Users"/);
    await refused(['list-keys', '--region', 'eu-west-1'], /eu-west-1|us-east-1/, 1);
    await refused(
      ['list-keys', '--profile', 'none'],
      /profile 'none' of '.*credentials' has no access key/,
      3,
    );
    await refused(['list-keys', '--endpoint-url', 'http://127.0.0.1:1'], /by TLS/);
    await refused(['list-keys', '--no-verify-ssl'], /always verified; trust its authority with --ca-bundle/);
    await refused(['create-key', '--max-items', '1'], /returns no list in pages/);
    await refused(['identity', 'list', '--cli-input-json', '{}'], /is not one operation/);
    await refused(['--region', 'x', 'doctor'], /'doctor' does not take --region/);
    await refused(['list-keys', '--regoin', 'x'], /Did you mean --region\?/);
    await refused(['encrypt', '--key-idd', 'x'], /Did you mean --key-id\?/);
  });

  await t.test('a request can be JSON or YAML, and its skeleton is printed', async (t) => {
    const skeleton = JSON.parse(await out('create-key', '--generate-cli-skeleton')) as object;
    t.match(skeleton, { Description: '', Tags: [{ TagKey: '', TagValue: '' }], MultiRegion: true });
    t.match(await out('encrypt', '--generate-cli-skeleton', 'yaml-input'), /^KeyId: ""/);
    t.match(await out('create-key', '--generate-cli-skeleton', 'output'), /"KeyMetadata"/);
    writeFileSync(
      join(cwd, 'input.json'),
      JSON.stringify({ Description: 'of JSON', Tags: [{ TagKey: 'a', TagValue: 'b' }] }),
    );
    const description = ['--query', 'KeyMetadata.Description', '--output', 'text'];
    const input = ['create-key', '--cli-input-json', 'file://input.json', ...description];
    t.equal(await out(...input), 'of JSON\n');
    t.equal(await out(...input, '--description', 'of the option'), 'of the option\n');
    t.equal(await out('create-key', '--cli-input-yaml', 'Description: of YAML', ...description), 'of YAML\n');
    await refused(['create-key', '--cli-input-json', '{"Descriptoin":""}'], /has no member 'Descriptoin'/);
    await refused(['create-key', '--cli-input-json', '{'], /--cli-input-json: this is not JSON/);
  });

  await t.test('lists are paged', async (t) => {
    const all = JSON.parse(await out('list-keys', '--query', 'Keys[].KeyId')) as string[];
    t.ok(all.length >= 3);
    const read: string[] = [];
    for (let token: string | undefined, more = true; more; more = token !== undefined) {
      const from = token === undefined ? [] : ['--starting-token', token];
      const page = JSON.parse(await out('list-keys', '--max-items', '1', '--page-size', '2', ...from)) as {
        Keys: { KeyId: string }[];
        NextToken?: string;
      };
      t.equal(page.Keys.length, 1);
      read.push(page.Keys[0]!.KeyId);
      token = page.NextToken;
    }
    t.same(read, all, 'each item is listed once, in order');
    t.match(JSON.parse(await out('list-keys', '--no-paginate', '--limit', '1')), { Truncated: true });
    await refused(['list-keys', '--limit', '1', '--max-items', '1'], /cannot be combined/);
    await refused(['list-keys', '--starting-token', 'x'], /NextToken/);
  });
});
