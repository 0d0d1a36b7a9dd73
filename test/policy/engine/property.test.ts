// Random policies and requests from a small vocabulary, so that they often match, decided by both evaluators.
import * as fc from 'fast-check';
import t from 'tap';
import { naiveDecision } from './naive.js';
import {
  account,
  decideRow,
  keyArn,
  names,
  principals,
  type Row,
  type StatementDocument,
  type Who,
} from './world.js';

const oneOf = <T>(...values: readonly T[]) => fc.constantFrom(...values);
const someOf = <T>(...values: readonly T[]) =>
  fc.oneof(oneOf(...values), fc.array(oneOf(...values), { minLength: 1, maxLength: 3 }));

const texts = ['', 'a', 'A', 'ab', 'abc', 'a*', 'x', '*', '?', 'true', '10', '${aws:username}'];
const patterns = [
  ...texts,
  '*b*',
  'a?',
  '?*',
  '${aws:username}*',
  "${kms:None, 'ab'}",
  '${*}',
  'a${?}',
  '${kms:Many}',
];
const arns = [keyArn, names.alice, names.appSession, 'arn:aws:s:::a:b', 'no arn'];
const arnPatterns = [
  keyArn,
  'arn:aws:iam::*:user/*',
  'arn:*:*:*:*:*',
  'arn:aws:s:::a*',
  '*',
  'arn:aws:iam::${kms:One}:user/*',
];
const numbers = ['0', '1', '-1', '10', '10.0', '1e1'];
const dates = ['2030-01-01', '2030-01-01T00:00:00Z', '2029-12-31T23:00:00-01:00', '1893456000', '2031'];
const addresses = ['10.0.0.1', '10.0.0.255', '192.0.2.1', '::1', '2001:db8::1', '::ffff:10.0.0.1'];
const ranges = [
  '10.0.0.0/8',
  '10.0.0.128/25',
  '10.0.0.1',
  '0.0.0.0/0',
  '::/0',
  '2001:db8::/32',
  '10.0.0.3/31',
];
const booleans = ['true', 'false', 'TRUE', 'no'];

/** Operators with values of the policy, and the condition keys whose values in requests are of that type. */
const families: readonly [readonly string[], readonly string[], readonly string[]][] = [
  [
    ['StringEquals', 'StringNotEquals', 'StringEqualsIgnoreCase', 'StringNotEqualsIgnoreCase'],
    patterns,
    ['kms:One', 'kms:Many'],
  ],
  [
    ['StringLike', 'StringNotLike'],
    patterns,
    ['kms:One', 'kms:Many', 'aws:username', 'aws:ResourceTag/x', 'aws:RequestTag/x'],
  ],
  [['ArnEquals', 'ArnNotEquals', 'ArnLike', 'ArnNotLike'], arnPatterns, ['kms:Arn', 'kms:One']],
  [
    [
      'NumericEquals',
      'NumericNotEquals',
      'NumericLessThan',
      'NumericLessThanEquals',
      'NumericGreaterThan',
      'NumericGreaterThanEquals',
    ],
    numbers,
    ['kms:Number', 'kms:One'],
  ],
  [
    [
      'DateEquals',
      'DateNotEquals',
      'DateLessThan',
      'DateLessThanEquals',
      'DateGreaterThan',
      'DateGreaterThanEquals',
    ],
    dates,
    ['kms:Date'],
  ],
  [['IpAddress', 'NotIpAddress'], ranges, ['aws:SourceIp', 'kms:One']],
  [['Bool'], ['true', 'false'], ['kms:Boolean', 'kms:One']],
];

const condition = fc
  .tuple(
    oneOf(...families),
    oneOf('', 'ForAllValues:', 'ForAnyValue:'),
    oneOf('', 'IfExists'),
    fc.nat(),
    fc.boolean(),
  )
  .chain(([[operators, values, keys], set, suffix, choice, inLowerCase]) => {
    const key = oneOf(...keys).map((name) => (inLowerCase ? name.toLowerCase() : name));
    const operator = `${set}${operators[choice % operators.length]}${suffix}`;
    return fc.tuple(fc.constant(operator), key, someOf(...values));
  });

const nullCheck = fc.tuple(
  fc.constant('Null'),
  oneOf('kms:One', 'aws:username', 'kms:None'),
  someOf('true', 'false'),
);

const conditions = fc
  .array(fc.oneof({ weight: 6, arbitrary: condition }, { weight: 1, arbitrary: nullCheck }), { maxLength: 2 })
  .map((list) => {
    const block: Record<string, Record<string, unknown>> = {};
    for (const [operator, key, values] of list) (block[operator] ??= {})[key] = values;
    return block;
  });

const actionElement = fc.oneof(
  someOf('kms:*', 'kms:Encrypt', 'KMS:enc*', 'kms:Decrypt', '*', 'kms:?ncrypt').map((Action) => ({ Action })),
  someOf('kms:Encrypt', 'kms:D*', 's3:*').map((NotAction) => ({ NotAction })),
);
const resources = [
  '*',
  keyArn,
  `arn:aws:kms:*:${account}:key/*`,
  'arn:aws:s3:::x',
  `arn:aws:kms:*:*:key/\${aws:username}*`,
];
const resourceElement = fc.oneof(
  { weight: 4, arbitrary: someOf(...resources).map((Resource) => ({ Resource })) },
  { weight: 1, arbitrary: someOf(...resources).map((NotResource) => ({ NotResource })) },
);

const statement: fc.Arbitrary<StatementDocument> = fc
  .tuple(
    oneOf('Allow', 'Allow', 'Deny'),
    actionElement,
    resourceElement,
    fc.oneof(fc.constant({}), conditions),
  )
  .map(
    ([Effect, action, resource, Condition]) =>
      ({ Effect, ...action, ...resource, Condition }) as StatementDocument,
  );

const principal = fc.oneof(
  oneOf<unknown>('*', { Service: 'logs.amazonaws.com' }),
  someOf('*', account, ...Object.values(names)).map((AWS) => ({ AWS })),
);

const keyStatement = fc.tuple(statement, principal, fc.boolean()).map(([document, named, negated]) => {
  const element = negated && document.Effect === 'Deny' ? 'NotPrincipal' : 'Principal';
  return { ...document, [element]: named };
});

const document = <T>(item: fc.Arbitrary<T>) =>
  fc
    .tuple(fc.array(item, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([Statement, isNew]) => JSON.stringify({ ...(isNew && { Version: '2012-10-17' }), Statement }));

const optional = <T>(item: fc.Arbitrary<T>) => fc.option(item, { nil: undefined });

const context = fc
  .record(
    {
      'kms:One': oneOf(...texts, ...numbers, ...addresses),
      'kms:Many': fc.array(oneOf(...texts), { maxLength: 3 }),
      'aws:ResourceTag/x': fc.array(oneOf(...texts), { maxLength: 2 }),
      'aws:RequestTag/x': fc.array(oneOf(...texts), { maxLength: 2 }),
      'kms:Arn': oneOf(...arns),
      'kms:Number': oneOf(...numbers, 'x'),
      'kms:Date': oneOf(...dates),
      'kms:Boolean': oneOf(...booleans),
      'aws:SourceIp': oneOf(...addresses, 'x'),
      'aws:username': oneOf('alice', 'a', '*', 'ab'),
    },
    { requiredKeys: [] },
  )
  .map((values) => values as Record<string, string | string[]>);

const row: fc.Arbitrary<Row> = fc.record({
  it: fc.constant('random'),
  expect: fc.constant(''),
  who: oneOf(...(Object.keys(principals) as Who[])),
  action: oneOf('kms:Encrypt', 'kms:Encrypt', 'kms:Decrypt'),
  key: optional(document(keyStatement)),
  identity: optional(document(statement)),
  boundary: optional(document(statement)),
  session: optional(document(statement)),
  context,
  grants: optional(fc.array(oneOf('AIDAALICE', 'AROAAPP', 'AROAAPP:one', account), { maxLength: 2 })),
});

/** Policies of one statement, so that its condition or its principals decide. */
const conditionRow: fc.Arbitrary<Row> = fc
  .tuple(condition, oneOf('Allow', 'Deny'), context, fc.boolean())
  .map(([[operator, key, values], Effect, values2, isNew]) => {
    const Condition = { [operator]: { [key]: values } };
    const statement = { Effect, Principal: '*', Action: '*', Resource: '*', Condition };
    const document = JSON.stringify({
      Version: isNew ? '2012-10-17' : '2008-10-17',
      Statement: [statement, { Effect: 'Allow', Principal: { AWS: account }, Action: '*', Resource: '*' }],
    });
    return { it: 'random', expect: '', who: 'root', key: document, context: values2 };
  });

const principalRow: fc.Arbitrary<Row> = fc
  .tuple(principal, oneOf('Allow', 'Deny', 'spare'), oneOf(...(Object.keys(principals) as Who[])))
  .map(([named, effect, who]) => {
    const everything = { Action: '*', Resource: '*' };
    const statement =
      effect === 'spare' ? { Effect: 'Deny', NotPrincipal: named } : { Effect: effect, Principal: named };
    const Statement = [
      { ...statement, ...everything },
      { Effect: 'Allow', Principal: '*', ...everything },
    ];
    return { it: 'random', expect: '', who, key: JSON.stringify({ Statement }) };
  });

for (const [what, rows] of [
  ['one condition', conditionRow],
  ['one Principal or NotPrincipal', principalRow],
] as const) {
  void t.test(`both evaluators agree on ${what}`, (t) => {
    fc.assert(
      fc.property(rows, (random) => decideRow(random) === naiveDecision(random)),
      { numRuns: 4_000 },
    );
    t.end();
  });
}

void t.test('both evaluators agree on random policies and requests', (t) => {
  const decisions = new Map<string, number>();
  fc.assert(
    fc.property(row, (random) => {
      const decision = decideRow(random);
      const kind = decision.replace(/\[.*/, '');
      decisions.set(kind, (decisions.get(kind) ?? 0) + 1);
      return decision === naiveDecision(random);
    }),
    { numRuns: 2_000 },
  );
  for (const kind of [
    'allow key',
    'allow identity',
    'allow grant',
    'allow root',
    'deny key',
    'deny identity',
    'none key',
    'none identity',
    'none boundary',
  ])
    t.ok(decisions.has(kind), `random requests also lead to "${kind}": ${decisions.get(kind)} times`);
  t.end();
});
