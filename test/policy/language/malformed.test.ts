import t from 'tap';
import {
  bindKeyPolicy,
  bindTrustPolicy,
  checkCost,
  compileIdentityPolicy,
  compileKeyPolicy,
  compileTrustPolicy,
} from '../../../daemon/policy/language/document.js';
import { PolicyError } from '../../../daemon/policy/errors.js';
import { identityPolicies, keyPolicies, type Malformed, notJson, trustPolicies } from './malformed.js';
import { account, allow, aws, bindings, delegate, deny, names, textOf } from '../engine/world.js';

function failure(work: () => unknown): PolicyError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
}

const kinds: readonly [string, readonly Malformed[], (text: string) => unknown][] = [
  ['what is not JSON', notJson, (text) => compileKeyPolicy(text, {})],
  ['key policies', keyPolicies, (text) => compileKeyPolicy(text, {})],
  ['identity policies', identityPolicies, (text) => compileIdentityPolicy(text, 'policy')],
  ['trust policies', trustPolicies, (text) => compileTrustPolicy(text, {})],
];

for (const [what, documents, compile] of kinds) {
  void t.test(`${what}: malformed documents are refused with the place of the fault`, (t) => {
    for (const [document, place, rest] of documents) {
      const error = failure(() => compile(document));
      t.equal(error?.code, 'malformed-policy', document.slice(0, 120));
      t.equal(error?.message.slice(0, place.length), place);
      t.match(error?.message.slice(place.length), rest);
    }
    t.end();
  });
}

void t.test('documents over the size limit are refused, and documents at the limit accepted', (t) => {
  const padded = (length: number, document: string) => document + ' '.repeat(length - document.length);
  const key = textOf([delegate()]);
  t.ok(compileKeyPolicy(padded(32_768, key), {}));
  const tooLong = failure(() => compileKeyPolicy(padded(32_769, key), {}));
  t.equal(tooLong?.code, 'limit-exceeded');
  t.match(tooLong?.message, /32769 bytes; 32768/);

  const withResource = (length: number) => {
    const empty = textOf([allow({ Resource: 'arn:aws:s3:::' })]);
    return textOf([allow({ Resource: `arn:aws:s3:::${'x'.repeat(length - empty.length)}` })]);
  };
  t.ok(compileIdentityPolicy(`${withResource(6_144)}\n   `, 'p'), 'white space does not count');
  t.equal(failure(() => compileIdentityPolicy(withResource(6_145), 'p'))?.code, 'limit-exceeded');

  const trust = (length: number) =>
    textOf([{ Effect: 'Allow', Principal: '*', Action: 'sts:AssumeRole', Sid: 'x'.repeat(length) }]);
  const { length } = trust(0);
  t.ok(compileTrustPolicy(trust(2_048 - length), {}));
  t.equal(failure(() => compileTrustPolicy(trust(2_049 - length), {}))?.code, 'limit-exceeded');
  t.end();
});

void t.test('documents that AWS accepts are accepted', (t) => {
  const key = (...statements: object[]) => JSON.stringify({ Statement: statements });
  for (const document of [
    key(delegate({ Sid: 'Enable IAM User Permissions' }), delegate({ Sid: 'Enable IAM User Permissions' })),
    JSON.stringify({ Id: 'key-default-1', Version: '2008-10-17', Statement: delegate() }),
    key({ Effect: 'Allow', Principal: '*', Action: 'kms:*' }),
    key(delegate({ Condition: {} })),
    key(delegate({ Condition: { StringEquals: { 'kms:KeySpec': [] } } })),
    key(
      delegate({ Condition: { Bool: { 'kms:MultiRegion': false }, Null: { 'aws:TokenIssueTime': true } } }),
    ),
    key(deny({ NotPrincipal: aws(names.alice, account) })),
    key(delegate({ Principal: { AWS: [account, '*'], Service: 'logs.us-east-1.amazonaws.com' } })),
    key(delegate({ Sid: 'caf\u00e9' })),
    `\t\r\n${key(delegate())}\n`,
  ])
    t.doesNotThrow(() => compileKeyPolicy(document, bindings), document);
  t.doesNotThrow(() => compileIdentityPolicy(key(allow({ Sid: '' }), allow({ Sid: '' })), 'p'));
  t.end();
});

void t.test('putting a policy binds its names to unique IDs, and refuses missing principals', (t) => {
  const ids: Readonly<Record<string, string>> = {
    'user alice': 'AIDAALICE',
    'role App': 'AROAAPP',
    'role session App': 'AROAAPP',
  };
  const resolve = ({ kind, name }: { kind: string; name: string }) => ids[`${kind} ${name}`];
  const policy = (Principal: unknown) => textOf([delegate(), allow({ Principal })]);
  t.strictSame(
    bindKeyPolicy(policy(aws(names.alice, names.appRole, names.appSession, '*', account)), account, resolve),
    { [names.alice]: 'AIDAALICE', [names.appRole]: 'AROAAPP', [names.appSession]: 'AROAAPP' },
  );
  t.strictSame(bindKeyPolicy(policy({ Service: 'logs.amazonaws.com' }), account, resolve), {});
  const strangers = [
    [names.bob],
    [names.alice, names.opsRole],
    ['999999999999'],
    ['arn:aws:iam::999999999999:user/alice'],
  ];
  for (const principals of strangers) {
    const error = failure(() => bindKeyPolicy(policy(aws(...principals)), account, resolve));
    t.match(
      error,
      {
        code: 'malformed-policy',
        message: 'Policy contains a statement with one or more invalid principals.',
      },
      principals.join(),
    );
  }
  const malformed = [
    [aws('nobody'), 'AWS: "nobody" is not a principal'],
    [aws('arn:aws:iam::*:root'), 'AWS: "arn:aws:iam::*:root" is not a principal'],
    [aws('*', 'arn:aws:iam::000000000000:user/al*ce'), 'AWS[1]: "arn:aws:iam::000000000000:user/al*ce" is'],
    [{ Service: 'logs' }, 'Service: "logs" is not a service principal'],
    [{ Federated: 'x' }, 'Federated: There are no such principals here'],
  ] as const;
  for (const [Principal, what] of malformed) {
    const { message = '' } = failure(() => bindKeyPolicy(policy(Principal), account, resolve)) ?? {};
    const begins = `Policy contains a statement with one or more invalid principals. Statement[1].Principal.${what}`;
    t.equal(message.slice(0, begins.length), begins);
  }
  const trust = textOf([{ Effect: 'Allow', Principal: aws(names.bob), Action: 'sts:AssumeRole' }]);
  t.match(
    failure(() => bindTrustPolicy(trust, account, resolve)),
    { message: /^Statement\[0\]\.Principal\.AWS: There is no user/ },
  );
  t.end();
});

void t.test('a key policy statement without Action or Resource is accepted without effect', (t) => {
  const without = (name: 'Action' | 'Resource') =>
    textOf([delegate(), allow({ Principal: '*', [name]: undefined })]);
  const noAction = compileKeyPolicy(without('Action'), {});
  t.equal(noAction.about('kms:Encrypt').allows.length, 1, 'only the other statement allows');
  const [, statement] = compileKeyPolicy(without('Resource'), {}).statements;
  t.notOk(statement!.applies('arn:aws:kms:us-east-1:000000000000:key/1', () => undefined));
  const identity = failure(() => compileIdentityPolicy(textOf([allow({ Action: undefined })]), 'policy'));
  t.match(identity?.message, /^Statement\[0\]: It has no Action/);
  const both = failure(() => compileKeyPolicy(textOf([delegate({ NotAction: 'kms:Sign' })]), {}));
  t.match(both?.message, /both Action and NotAction/);
  t.end();
});

void t.test('the cost of decisions is limited when a policy is put', (t) => {
  const withValues = (count: number) => {
    const values = Array.from({ length: count }, (_each, index) => `*${index}*`);
    return textOf([allow({ Condition: { StringLike: { 'aws:UserAgent': values } } })]);
  };
  checkCost(compileIdentityPolicy(withValues(250), 'policy'));
  const error = failure(() => checkCost(compileIdentityPolicy(withValues(251), 'policy')));
  t.match(error, {
    code: 'limit-exceeded',
    message: /with wildcards.* count as 251; 250 are allowed/,
  });
  // A long value takes the time of several short ones.
  const long = (value: string) => textOf([allow({ Condition: { StringLike: { 'aws:UserAgent': value } } })]);
  t.doesNotThrow(() => checkCost(compileKeyPolicy(textOf([delegate()]), {})));
  t.doesNotThrow(() => checkCost(compileIdentityPolicy(long(`*?${'a'.repeat(5_000)}*`), 'policy')));
  const longKeyPolicy = textOf([
    delegate({ Condition: { StringLike: { 'aws:UserAgent': `*?${'a'.repeat(8_000)}*` } } }),
  ]);
  t.throws(() => checkCost(compileKeyPolicy(longKeyPolicy, {})), { code: 'limit-exceeded' });
  const literals = textOf([
    allow({
      Condition: { StringLike: { 'aws:UserAgent': Array.from({ length: 600 }, (_each, n) => `${n}`) } },
    }),
  ]);
  t.doesNotThrow(
    () => checkCost(compileIdentityPolicy(literals, 'p')),
    'texts without wildcards cost nothing',
  );
  t.end();
});
