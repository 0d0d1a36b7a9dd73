// Shorthand is parsed as by the AWS CLI, and compared with its own parser if Debian's awscli is installed.
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { parseShorthand } from '../../../client/cli/input/shorthand.js';
import { readValue } from '../../../client/cli/input/values.js';
import { shapeByName } from '../../../proto/schema/descriptor.js';
import { absent, aws, python } from '../../support/programs.js';

/** The value of each text; undefined if it is refused. */
const table: readonly (readonly [text: string, says: unknown])[] = [
  ['a=b', { a: 'b' }],
  ['a=b,c=d', { a: 'b', c: 'd' }],
  ['a=', { a: '' }],
  ['a=,b=', { a: '', b: '' }],
  ['a=b=c', { a: 'b=c' }],
  ['a=b=c,d=e', { a: 'b=c', d: 'e' }],
  ['a=b c', { a: 'b c' }],
  ['a = b , c = d', { a: 'b', c: 'd' }],
  ['a=b  ', { a: 'b' }],
  ['a="b,c"', { a: 'b,c' }],
  ["a='b,c',d=e", { a: 'b,c', d: 'e' }],
  ['a="say \\"hi\\""', { a: 'say "hi"' }],
  ["a='it\\'s'", { a: "it's" }],
  ['a="b\\\\c"', { a: 'b\\c' }],
  ['a=" b "', { a: ' b ' }],
  ['a=""', { a: '' }],
  ['a=b\\,c', { a: 'b,c' }],
  ['a=b\\,c,d=e', { a: 'b,c', d: 'e' }],
  ['a=b\\c', { a: 'b\\c' }],
  ['a=b,c', { a: ['b', 'c'] }],
  ['a=b,c,d=e', { a: ['b', 'c'], d: 'e' }],
  ['a=b, c ,d=e', { a: ['b', 'c'], d: 'e' }],
  ['a="b","c d"', { a: ['b', 'c d'] }],
  ['a=[b,c],d=e', { a: ['b', 'c'], d: 'e' }],
  ['a=[]', { a: [] }],
  ['a=[ "b" , c ]', { a: ['b', 'c'] }],
  ['a={b=c,d=e}', { a: { b: 'c', d: 'e' } }],
  ['a={b=[c,d]},e=f', { a: { b: ['c', 'd'] }, e: 'f' }],
  ['a={}', { a: {} }],
  ['aws:s3:arn=arn:aws:s3:::bucket/key', { 'aws:s3:arn': 'arn:aws:s3:::bucket/key' }],
  ['a.b/c#d-e_f=g', { 'a.b/c#d-e_f': 'g' }],
  ['a=ä ö', { a: 'ä ö' }],
  ['__proto__=x', Object.fromEntries([['__proto__', 'x']])],
  ['a', undefined],
  ['', undefined],
  ['a=b,', undefined],
  ['a="b', undefined],
  ['a="b"c', undefined],
  ["a=b'c", undefined],
  ['a=b"c"', undefined],
  ['a b=c', undefined],
  ['a=b,a=c', undefined],
  ['a={b=c', undefined],
  ['a=[b', undefined],
];

function says(text: string): unknown {
  try {
    return JSON.parse(JSON.stringify(parseShorthand(text)));
  } catch {
    return undefined;
  }
}

void t.test('shorthand means the same as to the AWS CLI', (t) => {
  for (const [text, expected] of table) t.strictSame(says(text), expected, text);
  t.end();
});

const judge = `
import json, sys
from awscli.shorthand import ShorthandParser
def says(text):
    try: return {'says': ShorthandParser().parse(text)}
    except Exception: return {}
print(json.dumps([says(text) for text in json.load(sys.stdin)]))
`;
const skip = absent(aws, ['--version'], 'the AWS CLI', 'awscli');

void t.test("the AWS CLI's own parser agrees, on these texts and on random ones", { skip }, (t) => {
  const pieces = ['a', 'b', '=', ',', ' ', '"', "'", '\\', '[', ']', '{', '}', 'c=d', '\\,', 'a='];
  let seed = 7;
  const random = (bound: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * bound);
  };
  const texts = Array.from({ length: 20_000 }, () => {
    const length = 1 + random(9);
    return `a=${Array.from({ length }, () => pieces[random(pieces.length)]!).join('')}`;
  });
  const all = [...table.map(([text]) => text), ...texts];
  const options = { input: JSON.stringify(all), maxBuffer: 2 ** 26 };
  const answers = JSON.parse(execFileSync(python, ['-c', judge], options).toString()) as { says?: unknown }[];
  let same = 0;
  const differences: string[] = [];
  const mayDiffer = (text: string, ours: unknown) =>
    // The AWS CLI backtracks to a comma inside a value, and of a name that occurs twice in a map takes the last: data is lost
    // silently. Keyhold refuses that.
    ours === undefined && /\\,|["'][^"']*,|\{/.test(text);
  for (const [index, text] of all.entries()) {
    const ours = says(text);
    const theirs = answers[index]!.says;
    if (JSON.stringify(ours) === JSON.stringify(theirs)) same++;
    else if (!mayDiffer(text, ours))
      differences.push(`${text}: ${JSON.stringify(ours)}, ${JSON.stringify(theirs)}`);
  }
  t.strictSame(differences.slice(0, 20), []);
  t.ok(same > all.length * 0.98, `${same} of ${all.length} are the same`);
  t.end();
});

void t.test('a value that does not fit its option is refused, and no data is altered', (t) => {
  const refused: readonly (readonly [string, string, readonly string[], RegExp])[] = [
    ...['aGk', 'aGl=', 'aGk=aGk=', 'aGk-', 'a\u0000Gk='].map(
      (word) => ['Encrypt', 'plaintext', [word], /takes base64/] as const,
    ),
    ['Encrypt', 'encryptionContext', ['a=b,a=c'], /'a' is there twice/],
    ['Encrypt', 'encryptionContext', ['{"a": 1}'], /must be one string/],
    ['Encrypt', 'encryptionContext', ['{"a": "1", "a": "2"}'], /has a member twice/],
    ['Encrypt', 'encryptionContext', ['["a"]'], /JSON object/],
    ['Encrypt', 'keyId', ['fileb://x'], /takes text: give the file as file:\/\/x/],
    ['TagResource', 'tags', ['TagKey=a,TagValue=b,c'], /\.TagValue takes a string/],
    ['TagResource', 'tags', ['Key=a,Value=b'], /has no member 'Key'; its members are: TagKey, TagValue/],
    ['TagResource', 'tags', ['[{"TagKey": "a", "TagValue": 1}]'], /\[0\]\.TagValue takes a string/],
    ['TagResource', 'tags', ['[{"TagKey": "a"'], /not JSON/],
    ['ScheduleKeyDeletion', 'pendingWindowInDays', ['7.5'], /whole number/],
    ['CreateGrant', 'operations', ['Encrypt,Decrypt'], /takes one of/],
  ];
  for (const [operation, field, words, message] of refused) {
    const shape = shapeByName.get(operation)!.request.byName.get(field)!;
    t.throws(() => readValue(shape, words), { name: 'UsageError', message }, words.join(' '));
  }
  const secret = shapeByName
    .get('CreateCustomKeyStore')!
    .request.byName.get('xksProxyAuthenticationCredential')!;
  t.throws(() => readValue(secret, ['AccessKeyId=A,RawSecretAccessKey="hunter2']), {
    message: /^(?!.*hunter2).*closing/,
  });
  t.end();
});
