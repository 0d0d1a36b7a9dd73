// keyhold audit query on a log by the real writer.
import { appendFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { filterSpecs } from '../../../daemon/audit/query/filters.js';
import { query } from '../../../daemon/audit/query/query.js';
import { parseTime } from '../../../daemon/audit/query/time.js';
import { fileNames, openLog, readLog } from '../support.js';

const directory = join(t.testdir({}), 'audit');
const account = '000000000000';
const keyArn = (id: string) => `arn:aws:kms:us-east-1:${account}:key/${id}`;
const [keyA, keyB] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];
const now = Date.now();
const ago = (seconds: number) => `${new Date(now - seconds * 1000).toISOString().slice(0, 19)}Z`;

const user = (userName: string, accessKeyId: string) => ({
  type: 'IAMUser',
  principalId: `AIDA${userName.toUpperCase()}`,
  arn: `arn:aws:iam::${account}:user/${userName}`,
  accessKeyId,
  userName,
});
const alice = user('alice', 'AKIAALICE');
const bob = user('bøb "x"', 'AKIABOB');
const session = {
  type: 'AssumedRole',
  principalId: 'AROAWORKER:one',
  arn: `arn:aws:sts::${account}:assumed-role/worker/one`,
  accessKeyId: 'ASIAONE',
  sessionContext: {
    sessionIssuer: {
      type: 'Role',
      principalId: 'AROAWORKER',
      arn: `arn:aws:iam::${account}:role/worker`,
      userName: 'worker',
    },
  },
};
const root = {
  type: 'Root',
  principalId: account,
  arn: `arn:aws:iam::${account}:root`,
  accessKeyId: 'AKIAROOT',
};
const service = { type: 'AWSService', invokedBy: 'keyhold' };

interface Made {
  readonly name: string;
  readonly who: object;
  readonly key?: string;
  readonly seconds: number;
  readonly error?: string;
  readonly more?: object;
}

const made: readonly Made[] = [
  { name: 'Encrypt', who: alice, key: keyA, seconds: 9_000 },
  { name: 'Encrypt', who: bob, key: keyB, seconds: 8_000 },
  { name: 'Decrypt', who: alice, key: keyA, seconds: 7_000, error: 'AccessDeniedException' },
  {
    name: 'Decrypt',
    who: session,
    key: keyA,
    seconds: 6_000,
    more: { requestParameters: { keyId: 'alias/a' } },
  },
  // Pending during a crash: written late, with the original time.
  {
    name: 'CreateAlias',
    who: root,
    key: keyB,
    seconds: 100_000,
    more: { requestParameters: { aliasName: 'alias/a' } },
  },
  {
    name: 'RotateKey',
    who: service,
    key: keyB,
    seconds: 600,
    more: { serviceEventDetails: { keyId: keyB } },
  },
  {
    name: 'Decrypt',
    who: root,
    seconds: 300,
    error: 'NotFoundException',
    more: { requestParameters: { keyId: keyA } },
  },
  {
    name: 'FailedAuthentication',
    who: { type: 'Unknown' },
    seconds: 200,
    error: 'InvalidSignatureException',
    more: { serviceEventDetails: { accessKeyIds: ['AKIAALICE'] } },
  },
  // Text from callers must not be taken for another record.
  {
    name: 'Encrypt',
    who: root,
    key: keyB,
    seconds: 100,
    more: {
      requestParameters: { encryptionContext: { x: `"eventName":"Decrypt" ${keyA} alice`, errorCode: 'x' } },
    },
  },
];

const { log } = await openLog(directory, { maxFileSize: 1_000 });
for (const { name, who, key, seconds, error, more } of made) {
  const event = {
    eventVersion: '1.11',
    userIdentity: who,
    eventTime: ago(seconds),
    eventName: name,
    ...more,
    errorCode: error,
    resources: key === undefined ? undefined : [{ ARN: keyArn(key) }],
  };
  await log.append(JSON.stringify(event).slice(1, -1));
}
await log.close();
const lines = readLog(directory);
const whole = lines.length;

const program = fileURLToPath(new URL('../../../daemon/admin/audit/query.js', import.meta.url));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--dir', directory, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  });
  return { status, stdout, stderr };
}

/** Arguments, and the indexes of the events above that must be found. */
const cases: readonly [string[], number[]][] = [
  [
    ['--key', keyA],
    [0, 2, 3, 6],
  ],
  [
    ['--key', keyArn(keyA)],
    [0, 2, 3],
  ],
  [
    ['--key', keyB],
    [1, 4, 5, 8],
  ],
  [
    ['--key', 'alias/a'],
    [3, 4],
  ],
  [['--key', keyA.slice(1)], []],
  [
    ['--principal', 'alice'],
    [0, 2],
  ],
  [
    ['--principal', alice.arn],
    [0, 2],
  ],
  [
    ['--principal', 'AKIAALICE'],
    [0, 2, 7],
  ],
  [
    ['--principal', 'AIDAALICE'],
    [0, 2],
  ],
  [['--principal', 'bøb "x"'], [1]],
  [['--principal', `arn:aws:iam::${account}:role/worker`], [3]],
  [['--principal', session.arn], [3]],
  [['--principal', 'worker'], [3]],
  [['--principal', 'role/worker'], [3]],
  [['--principal', 'user/worker'], []],
  [['--principal', 'ASIAONE'], [3]],
  [
    ['--principal', 'root'],
    [4, 6, 8],
  ],
  [
    ['--principal', root.arn],
    [4, 6, 8],
  ],
  [['--principal', 'keyhold'], [5]],
  [
    ['--event', 'Decrypt'],
    [2, 3, 6],
  ],
  [['--event', 'decrypt'], []],
  [['--error', 'AccessDeniedException'], [2]],
  [
    ['--outcome', 'failure'],
    [2, 6, 7],
  ],
  [
    ['--since', ago(7_000), '--outcome', 'failure'],
    [2, 6, 7],
  ],
  [['--since', '1h', '--event', 'Decrypt'], [6]],
  [
    ['--until', '2h', '--outcome', 'success'],
    [0, 1, 4],
  ],
  [
    ['--since', ago(9_000), '--until', ago(8_000)],
    [0, 1],
  ],
  [['--key', keyA, '--principal', 'alice', '--event', 'Decrypt', '--since', '3h'], [2]],
  [['--key', keyA, '--principal', 'alice', '--event', 'Decrypt', '--since', '1h'], []],
];

/** Runs the program's function in this process, which is faster than starting another one. */
function find(args: readonly string[]): string {
  const filters = args.flatMap((option, at) => {
    if (at % 2 === 1) return [];
    const filter = filterSpecs[option.slice(2)]!.parse(args[at + 1]!, now);
    if (typeof filter === 'string') throw new Error(filter);
    return [filter];
  });
  const matches = query({ directory }, filters, ({ file }) => t.fail(`${file} has a line that is no record`));
  return [...matches].map(({ line }) => `${line.toString()}\n`).join('');
}

/** Options with which the program was run. */
const tried = new Set<string>();
for (const [args, places] of cases) {
  void t.test(args.join(' ').replaceAll(/2\d{3}-\S+/g, 'T'), (t) => {
    const eventLines = lines.filter((line) => !line.includes('KeyholdCheckpoint'));
    const expected = places.map((place) => `${eventLines[place]}\n`).join('');
    t.equal(find(args), expected);
    const options = args.filter((_, at) => at % 2 === 0);
    if (options.some((option) => !tried.has(option)) || options.length > 2)
      t.strictSame(run(...args), { status: 0, stdout: expected, stderr: '' });
    for (const option of options) tried.add(option);
    t.end();
  });
}

void t.test(
  'without a filter all records of all files are printed; checkpoints are found by their name',
  (t) => {
    t.ok(fileNames(directory).length > 3);
    t.equal(run().stdout, lines.map((line) => `${line}\n`).join(''));
    const { stdout } = run('--event', 'KeyholdCheckpoint');
    t.equal(stdout, lines.filter((line) => line.includes('KeyholdCheckpoint')).join('\n') + '\n');
    t.end();
  },
);

void t.test('--output text has columns', (t) => {
  const { stdout } = run('--key', keyA, '--output', 'text', '--event', 'Decrypt');
  const columns = stdout
    .trim()
    .split('\n')
    .map((line) => line.split('\t'));
  t.match(columns[0], [/^\d+$/, ago(7_000), 'Decrypt', alice.arn, keyArn(keyA), 'AccessDeniedException']);
  t.match(columns[2], [/^\d+$/, ago(300), 'Decrypt', root.arn, '-', 'NotFoundException']);
  t.end();
});

void t.test('wrong arguments exit 2 and say what is expected', (t) => {
  const wrong: [string[], RegExp][] = [
    [
      ['--since', 'yesterday'],
      /--since 'yesterday': it must be a time in ISO 8601, .* or relative to now, such as 15m/,
    ],
    [['--since', '2026-13-01'], /--since '2026-13-01'/],
    [['--until', '12'], /--until '12'/],
    [['--outcome', 'denied'], /--outcome 'denied': it must be 'success' or 'failure'/],
    [['--key', ''], /--key '': it must be not empty/],
    [['--output', 'xml'], /Allowed choices are json, readable, text/],
    [['--nonsense'], /unknown option '--nonsense'/],
    [['more'], /too many arguments/],
    [['--dir', join(directory, 'none')], /there is no audit log in .*none: name the home/],
    [['--dir', join(directory, '..')], /There is no audit log in/],
  ];
  for (const [args, message] of wrong) {
    const { status, stdout, stderr } = run(...args);
    t.equal(status, 2, args.join(' '));
    t.match(stderr, message);
    t.equal(stdout, '');
  }
  t.end();
});

void t.test('times', (t) => {
  const times: [string, number | undefined][] = [
    ['2026-01-02', Date.UTC(2026, 0, 2) / 1000],
    ['2026-01-02T03:04', Date.UTC(2026, 0, 2, 3, 4) / 1000],
    ['2026-01-02T03:04:05', Date.UTC(2026, 0, 2, 3, 4, 5) / 1000],
    ['2026-01-02T03:04:05.5Z', Date.UTC(2026, 0, 2, 3, 4, 5, 500) / 1000],
    ['2026-01-02T03:04:05+02:00', Date.UTC(2026, 0, 2, 1, 4, 5) / 1000],
    ['90s', now / 1000 - 90],
    ['15m', now / 1000 - 900],
    ['2h', now / 1000 - 7_200],
    ['7d', now / 1000 - 604_800],
    ['1w', now / 1000 - 604_800],
    ...['', 'h', '-1h', '1 h', '1y', '2026', '2026-02-30T25:00Z', 'now'].map(
      (text) => [text, undefined] as [string, undefined],
    ),
  ];
  for (const [text, seconds] of times) t.equal(parseTime(text, now), seconds, text);
  t.end();
});

void t.test('an incomplete last line is skipped, and a line that is no record is reported', (t) => {
  const names = fileNames(directory);
  appendFileSync(join(directory, names.at(-1)!), '{"sequence":99,"eventName":"Decr');
  t.match(run(), { status: 0, stderr: '', stdout: new RegExp(`^(.*\\n){${whole}}$`) });
  writeFileSync(join(directory, 'audit-99999999.jsonl'), 'Decrypt\n');
  const { status, stderr } = run('--event', 'Decrypt');
  t.equal(status, 1);
  t.match(stderr, /line 1 of audit-99999999\.jsonl is not a record: run keyhold audit verify/);
  t.end();
});
