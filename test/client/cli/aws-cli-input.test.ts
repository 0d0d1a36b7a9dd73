// The same arguments make the same request with Keyhold as with the AWS CLI, or Keyhold refuses them.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import t from 'tap';
import { addOperationCommands } from '../../../client/cli/commands/operations.js';
import { type InputOptions, requestOf } from '../../../client/cli/input/request.js';
import { kebab } from '../../../client/cli/input/values.js';
import { addGlobalOptions } from '../../../client/cli/global-options.js';
import { toAwsJson } from '../../../proto/aws/json.js';
import { operationShapes } from '../../../proto/schema/descriptor.js';
import { absent, aws, python } from '../../support/programs.js';

/** What Keyhold does with arguments: the same as the AWS CLI, refuse as it does, or refuse what the AWS CLI accepts. */
type Outcome = 'same' | 'both refuse' | 'refused';

const key = ['--key-id', 'k'];
const encrypt = (...args: string[]) => ['encrypt', ...key, ...args];
const context = (text: string) => encrypt('--plaintext', 'aGk=', '--encryption-context', text);
const raw = ['--cli-binary-format', 'raw-in-base64-out'];
const validTo = (time: string) => [
  ...['import-key-material', ...key, '--import-token', 'aGk=', '--encrypted-key-material', 'aGk='],
  ...['--valid-to', time],
];
const validToJson = (time: string) => [
  ...['import-key-material', ...key, '--import-token', 'aGk=', '--encrypted-key-material', 'aGk='],
  ...['--cli-input-json', `{"ValidTo": ${time}}`],
];
const days = (text: string) => ['schedule-key-deletion', ...key, '--pending-window-in-days', text];
const daysJson = (text: string) => [
  'schedule-key-deletion',
  '--cli-input-json',
  `{"KeyId": "k", "PendingWindowInDays": ${text}}`,
];
const tags = (...words: string[]) => ['tag-resource', ...key, '--tags', ...words];
const description = (text: string) => ['create-key', '--description', text];
const grant = (...args: string[]) => [
  ...['create-grant', ...key, '--grantee-principal', 'p', '--operations', 'Encrypt'],
  ...args,
];

const table: readonly (readonly [outcome: Outcome, args: readonly string[]])[] = [
  // Blobs.
  ['same', encrypt('--plaintext', 'aGk=')],
  ['same', encrypt('--plaintext', 'aGVs\nbG8=\n')],
  ['same', encrypt('--plaintext', 'fileb://bytes')],
  ['same', encrypt('--plaintext', 'file://base64')],
  ['same', encrypt('--plaintext', 'file://text', ...raw)],
  ['same', encrypt('--plaintext', 'fileb://bytes', ...raw)],
  ['same', encrypt('--plaintext', 'grüße', ...raw)],
  ['same', encrypt('--plaintext', '', ...raw)],
  ['same', encrypt('--cli-input-json', '{"Plaintext": "aGk="}')],
  ['same', encrypt('--cli-input-json', '{"Plaintext": "hi!"}', ...raw)],
  ['same', encrypt('--cli-input-yaml', 'Plaintext: aGk=')],
  ['both refuse', encrypt('--plaintext', 'aGk')],
  ['both refuse', encrypt('--plaintext', 'file://none')],
  ['both refuse', encrypt('--plaintext', 'fileb://none')],
  // Python's decoder ignores characters that are not base64, and surplus bits: "hi there" becomes other bytes.
  ['refused', encrypt('--plaintext', 'a-Gk=!')],
  ['refused', encrypt('--plaintext', 'aGl=')],
  ['refused', encrypt('--plaintext', 'aGk=aGk=')],
  // Text, and files with it.
  ['same', description('file://text')],
  ['same', description('grüße "x" \\ \'y\'')],
  ['same', description('')],
  ['same', description('[1]')],
  ['same', description('{"a": 1}')],
  ['same', description('007')],
  ['same', description(' spaces ')],
  ['same', description('two\nlines\n')],
  ['same', description('http://example.org/x')],
  ['same', description('$HOME')],
  ['same', description('file://$FOLDER/text')],
  ['both refuse', description('file://bytes')],
  ['both refuse', description('fileb://text')],
  ['both refuse', ['create-key', '--cli-input-json', '{"Description": 7}']],
  ['both refuse', ['create-key', '--cli-input-json', '{"Descriptoin": "x"}']],
  // Python takes the last of two members.
  ['refused', ['create-key', '--cli-input-json', '{"Description": "a", "Description": "b"}']],
  ['same', ['create-key', '--cli-input-json', 'file://input.json', '--description', 'of the option']],
  // Whole numbers.
  ['same', days('7')],
  ['same', days(' 7 ')],
  ['same', days('007')],
  ['both refuse', days('7.0')],
  ['both refuse', days('7d')],
  ['both refuse', days('')],
  ['both refuse', days('0x10')],
  ['both refuse', daysJson('7.5')],
  ['refused', days('+7')],
  ['refused', days('1_0')],
  ['refused', days('٧')],
  ['refused', days('9007199254740993')],
  ['refused', daysJson('9007199254740993')],
  // True and false.
  ['same', ['create-key', '--multi-region', '--no-bypass-policy-lockout-safety-check']],
  ['same', ['create-key', '--no-multi-region', '--multi-region']],
  ['both refuse', ['create-key', '--cli-input-json', '{"MultiRegion": 1}']],
  ['both refuse', ['create-key', '--multi-region=false']],
  ['both refuse', ['create-key', '--multi-region', 'false']],
  // Times. The AWS CLI uses the machine's zone if none is given, and completes a partial time with today's.
  ['same', validTo('2027-01-31T12:00:00Z')],
  ['same', validTo('2027-01-31T12:00:00+02:00')],
  ['same', validTo('2027-01-31T12:00:00-0330')],
  ['same', validTo('2027-01-31 12:00:00Z')],
  ['same', validTo('1801483200')],
  ['same', validToJson('1801483200')],
  ['same', validToJson('"2027-01-31T12:00:00Z"')],
  ['refused', validTo('2027-01-31T12:00:00')],
  ['refused', validTo('2027-01-31')],
  ['refused', validTo('January 31, 2027')],
  ['refused', validTo('01/02/2027')],
  ['refused', validTo('12:00')],
  ['refused', validTo('1e9')],
  ['both refuse', validTo('2027-02-30T12:00:00Z')],
  ['both refuse', validTo('2027-01-31T25:00:00Z')],
  ['both refuse', validTo('1801483200000')],
  ['both refuse', validTo('soon')],
  // Maps, structures and lists.
  ['same', context('a=b')],
  ['same', context('a=b,c=d e')],
  ['same', context('a="b,c",d=\'e "f"\'')],
  ['same', context('a=b=c')],
  ['same', context('a=')],
  ['same', context('{"a": "b", "c": ""}')],
  ['same', context(' {"a": "b"}')],
  ['same', context('file://context.json')],
  ['same', context('file://context.txt')],
  ['same', context('a=b\\,c')],
  ['both refuse', context('a')],
  ['both refuse', context('a=b,c')],
  ['both refuse', context('{"a": 1}')],
  ['both refuse', context('a=b,a=c')],
  ['refused', context('{"a": "b", "a": "c"}')],
  ['same', tags('TagKey=a,TagValue=b', 'TagKey=c,TagValue=')],
  ['same', tags('TagKey=a,TagValue="b, c"')],
  ['same', tags('[{"TagKey": "a", "TagValue": "b"}]')],
  ['same', tags('{"TagKey": "a", "TagValue": "b"}', '{"TagKey": "c", "TagValue": "d"}')],
  ['same', tags('file://tags.json')],
  ['both refuse', tags('Key=a,Value=b')],
  ['both refuse', tags('TagKey=a,TagValue=b,c')],
  ['same', grant('--grant-tokens', 'a', 'b')],
  ['same', grant('--grant-tokens', '["a", "b"]')],
  ['same', grant('--grant-tokens', 'a,b')],
  ['same', grant('--constraints', 'EncryptionContextSubset={a=b,c="d e"}')],
  ['same', grant('--constraints', '{"EncryptionContextEquals": {"a": "b"}}')],
  // Options themselves. The AWS CLI accepts abbreviated options, which a later option may make ambiguous.
  ['both refuse', encrypt('--plaintext', 'aGk=', '--plain-text', 'x')],
  ['refused', encrypt('--plaint', 'aGk=')],
  ['both refuse', encrypt()],
  ['both refuse', grant('--name', '--constraints', 'EncryptionContextSubset={a=b}')],
  ['both refuse', ['create-key', '--description', '--policy=x']],
  ['same', ['create-key', '--description=--policy=x']],
  ['both refuse', encrypt('--plaintext', 'aGk=', 'more')],
  ['same', encrypt('--plaintext=aGk=')],
  ['same', ['encrypt', '--key-id', 'j', ...key, '--plaintext', 'aGk=']],
];

/** Runs the AWS CLI for each list of arguments, in a process of its own, and prints the bodies that it would send. */
const judge = `
import io, json, os, sys
from awscli.clidriver import create_clidriver
from awscli.botocore.awsrequest import AWSResponse
class Reply(io.BytesIO):
    def stream(self): yield self.read()
out = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
os.dup2(1, 2)
driver = create_clidriver()
driver.session.get_service_model('kms')
for args in json.load(sys.stdin):
    sent = []
    def send(request, **kwargs):
        sent.append(json.loads(request.body))
        return AWSResponse(request.url, 200, {}, Reply(b'{}'))
    child = os.fork()
    if child == 0:
        driver.session.register('before-send.kms', send)
        try: driver.main(['kms'] + args)
        except SystemExit: pass
        finally:
            os.write(out, (json.dumps({'sent': sent[0]} if sent else {}) + '\\n').encode())
            os._exit(0)
    os.waitpid(child, 0)
`;

/** @returns the request with AWS's names; undefined if the arguments are refused */
async function requestOfKeyhold(args: readonly string[]): Promise<unknown> {
  const program = new Command('keyhold').exitOverride();
  const quiet = { writeErr: () => undefined, writeOut: () => undefined };
  addOperationCommands(program);
  let request: unknown;
  for (const shape of operationShapes) {
    const command = program.commands.find((each) => each.name() === kebab(shape.field));
    command
      ?.exitOverride()
      .configureOutput(quiet)
      .action(async (options: InputOptions) => {
        request = toAwsJson(shape.request, await requestOf(shape, options), (seconds) => seconds);
      });
  }
  addGlobalOptions(
    program,
    () => true,
    () => undefined,
  );
  try {
    await program.configureOutput(quiet).parseAsync(args, { from: 'user' });
  } catch {
    return undefined;
  }
  return JSON.parse(JSON.stringify(request));
}

const skip = absent(aws, ['--version'], 'the AWS CLI', 'awscli');

void t.test('arguments make the same request, or are refused', { skip, timeout: 300_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'kh-aws-'));
  const before = process.cwd();
  t.teardown(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true });
  });
  mkdirSync(join(folder, 'home'));
  const write = (name: string, data: string | Buffer) => writeFileSync(join(folder, name), data);
  write('bytes', Buffer.from([0, 255, 10, 128]));
  write('base64', 'aGVs\r\nbG8=\r\n');
  write('text', ' grüße\n');
  write('context.json', '{"from": "a file"}\n');
  write('context.txt', 'from=a file');
  write('tags.json', '[{"TagKey": "a", "TagValue": "b"}]\n');
  write('input.json', '{"Description": "of JSON", "Tags": [{"TagKey": "a", "TagValue": "b"}]}');
  process.chdir(folder);
  process.env.FOLDER = folder;
  const env = {
    ...{
      PATH: process.env.PATH,
      HOME: join(folder, 'home'),
      FOLDER: folder,
      TZ: 'America/New_York',
      LC_ALL: 'C.UTF-8',
    },
    ...{ AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 's', AWS_DEFAULT_REGION: 'us-east-1' },
  };
  const input = JSON.stringify(table.map(([, args]) => args));
  const output = execFileSync(python, ['-c', judge], { input, env, cwd: folder, maxBuffer: 2 ** 26 });
  const answers = output
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { sent?: unknown });
  for (const [index, [outcome, args]] of table.entries()) {
    const ours = await requestOfKeyhold(args);
    const theirs = answers[index]!.sent;
    const name = args.join(' ');
    if (outcome === 'same') {
      t.ok(theirs, `the AWS CLI accepts ${name}`);
      t.strictSame(ours, theirs, name);
    } else {
      t.equal(ours, undefined, `Keyhold refuses ${name}`);
      t.equal(theirs === undefined, outcome === 'both refuse', `the AWS CLI treats ${name} as expected`);
    }
  }
});
