// Near misses: statements that would allow or deny a request if one thing were different. Each is checked by changing the
// request accordingly.
import t from 'tap';
import { decide, type Policies, type PolicyRequest } from '../../../daemon/policy/engine/decide.js';
import { nearMisses } from '../../../daemon/policy/engine/near-misses.js';
import { compileIdentityPolicy, compileKeyPolicy } from '../../../daemon/policy/language/document.js';
import { operators } from '../../../daemon/policy/language/operators.js';
import { cases, type Context, project } from './near-miss-cases.js';
import {
  allow,
  aws,
  bindings,
  delegate,
  deny,
  type Document,
  keyArn,
  lookupIn,
  names,
  principals,
  textOf,
  type Who,
} from './world.js';

const action = 'kms:Decrypt';
const arn = 'arn:aws:iam::111122223333:policy/Readers';
const key = (document: Document) => compileKeyPolicy(textOf(document), bindings);
const identity = (document: Document) => compileIdentityPolicy(textOf(document), arn);
const place = `Statement[0] ("Readers") of ${arn}`;

function asked(who: Who, context: Context = {}, resource = keyArn): PolicyRequest {
  return { principal: principals[who], action, resource, context: lookupIn(context) };
}

/** The near misses of a request. */
function near(request: PolicyRequest, policies: Policies<unknown>) {
  return nearMisses(request, policies, decide(request, policies));
}

const readers = (Condition: Record<string, Record<string, unknown>>, Version = '2012-10-17') =>
  JSON.stringify({ Version, Statement: [allow({ Sid: 'Readers', Condition })] });
const open = { resource: key([delegate()]), identity: [] };

void t.test('each operator says what it requires, and fulfilling it changes the decision', (t) => {
  for (const { operator, wants, has, give, says, deny: clause } of cases) {
    const title = `${operator} ${JSON.stringify(wants)}, ${JSON.stringify(has)}`;
    const document = readers({ [operator]: { [project]: wants } });
    const policies = { ...open, identity: [identity(document)] };
    const context = (value: Context[string] | undefined): Context =>
      value === undefined ? {} : { [project]: value };
    const [only, ...others] = near(asked('alice', context(has)), policies);
    t.equal(only?.explanation, `${place} would allow ${action}, but ${project} ${says}.`, title);
    t.equal(others.length, 0, title);
    t.equal(decide(asked('alice', context(give)), policies).allowed, true, title);

    const denying = {
      ...open,
      identity: [identity([allow()]), identity(document.replace('Allow', 'Deny'))],
    };
    const [applies] = near(asked('alice', context(give)), denying);
    t.equal(applies?.applies, true, title);
    t.match(applies?.explanation, `${place} denies ${action}, because ${project} `, title);
    t.ok(applies?.explanation.endsWith(` It does not where ${clause}.`), `${title}: ${applies?.explanation}`);
    const allowed = asked('alice', context(has));
    t.equal(decide(allowed, denying).allowed, true, title);
    const [would] = near(allowed, denying);
    t.match(would?.explanation, `${place} would deny ${action} where `, title);
    t.match(would?.explanation, `Here ${project} ${says.slice(0, says.indexOf(' and must'))}.`, title);
  }
  const tested = new Set(cases.map(({ operator }) => operator));
  t.strictSame(
    [...operators.keys()].filter((name) => !tested.has(name)),
    [],
    'every operator has a case',
  );
  t.end();
});

void t.test('set operators say whether one or all values count', (t) => {
  const key = 'kms:EncryptionContextKeys';
  const rows: [operator: string, has: string[], says: string, give: string[], clause: string][] = [
    [
      'ForAnyValue:StringEquals',
      ['b', 'c'],
      'has the values "b" and "c" and one of its values must be "a"',
      ['a', 'b'],
      `every value of ${key} is not "a"`,
    ],
    [
      'ForAnyValue:StringEquals',
      [],
      'is absent and one of its values must be "a"',
      ['a'],
      `every value of ${key} is not "a"`,
    ],
    [
      'ForAllValues:StringEquals',
      ['a', 'b'],
      'has the values "a" and "b" and all of its values must be "a"',
      [],
      `a value of ${key} is not "a"`,
    ],
    [
      'ForAnyValue:StringNotEquals',
      ['a'],
      'is "a" and one of its values must not be "a"',
      ['b'],
      `every value of ${key} is "a"`,
    ],
    [
      'ForAllValues:StringNotLike',
      ['a', 'b'],
      'has the values "a" and "b" and all of its values must not match "a"',
      ['b'],
      `a value of ${key} matches "a"`,
    ],
    [
      'ForAnyValue:StringEqualsIfExists',
      ['b'],
      'is "b" and one of its values must be "a" or be absent',
      [],
      `every value of ${key} is not "a" and has a value`,
    ],
    [
      'ForAnyValue:StringEquals',
      ['1', '2', '3', '4'],
      'has the values "1", "2", "3" and 1 other and one of its values must be "a"',
      ['a'],
      `every value of ${key} is not "a"`,
    ],
  ];
  for (const [operator, has, says, give, clause] of rows) {
    const document = readers({ [operator]: { [key]: 'a' } });
    const policies = { ...open, identity: [identity(document)] };
    const [only] = near(asked('alice', { [key]: has }), policies);
    t.equal(only?.explanation, `${place} would allow ${action}, but ${key} ${says}.`);
    t.equal(decide(asked('alice', { [key]: give }), policies).allowed, true, operator);
    const denying = { ...open, identity: [identity([allow()]), identity(document.replace('Allow', 'Deny'))] };
    const [applies] = near(asked('alice', { [key]: give }), denying);
    t.ok(applies?.explanation.endsWith(` It does not where ${clause}.`), String(applies?.explanation));
  }
  t.end();
});

void t.test('variables say what they stand for', (t) => {
  const policies = {
    ...open,
    identity: [identity(readers({ StringEquals: { [project]: '${aws:PrincipalTag/team}' } }))],
  };
  const says = (context: Context) => near(asked('alice', context), policies)[0]?.explanation;
  const start = `${place} would allow ${action}, but ${project} is "b" and must be "\${aws:PrincipalTag/team}"`;
  t.equal(says({ [project]: 'b', 'aws:PrincipalTag/team': 'a' }), `${start} (aws:PrincipalTag/team is "a").`);
  t.equal(says({ [project]: 'b' }), `${start} (aws:PrincipalTag/team is absent).`);
  const old = readers({ StringEquals: { [project]: '${aws:username}' } }, '2008-10-17');
  t.match(
    near(asked('alice', { [project]: 'b' }), { ...open, identity: [identity(old)] })[0]?.explanation,
    /must be "\$\{aws:username\}"\.$/,
    'in a document of the old version it is text',
  );
  t.end();
});

void t.test('a resource or a principal is a near miss if it alone differs', (t) => {
  const other = keyArn.replace(/.{4}$/, 'ffff');
  const elsewhere = [allow({ Sid: 'Readers', Resource: other })];
  const [resource] = near(asked('alice'), { ...open, identity: [identity(elsewhere)] });
  t.match(resource, { differences: [{ element: 'Resource', present: [keyArn], written: [other] }] });
  t.match(resource?.explanation, `but the resource is "${keyArn.slice(0, 40)}`);
  t.match(resource?.explanation, 'and must match "');
  const except = [allow({ NotResource: keyArn, Resource: undefined })];
  t.match(
    near(asked('alice'), { ...open, identity: [identity(except)] })[0]?.explanation,
    ' and must not match "',
  );
  const bobs = key([allow({ Sid: 'Use', Principal: aws(names.bob) })]);
  const [principal] = near(asked('alice'), { resource: bobs, identity: [] });
  t.equal(
    principal?.explanation,
    `Statement[0] ("Use") of key policy would allow ${action}, but the principal is "${names.alice}" and must be "${names.bob}".`,
  );
  const both = key([allow({ Principal: aws(names.bob), Condition: { StringEquals: { [project]: 'a' } } })]);
  t.strictSame(
    near(asked('alice'), { resource: both, identity: [] }),
    [],
    'two differences of different kinds are not a near miss',
  );
  t.strictSame(
    near(asked('newAlice'), { resource: key([allow({ Principal: aws(names.alice) })]), identity: [] }),
    [],
    'a deleted principal is explained elsewhere',
  );
  t.end();
});

void t.test('only statements that would suffice are near', (t) => {
  const conditional = { Condition: { StringEquals: { [project]: 'a' } } };
  const everything = identity([allow()]);
  const nothing = identity([allow({ Action: 's3:*' })]);
  const limited = identity([allow(conditional)]);
  const delegating = key([delegate(conditional)]);
  t.match(
    near(asked('alice'), { resource: delegating, identity: [everything] })[0]?.explanation,
    /^Statement\[0\] of key policy would let the account's policies decide about kms:Decrypt, but kms:Enc.* is absent/,
  );
  t.strictSame(
    near(asked('alice'), { resource: delegating, identity: [] }),
    [],
    'a delegation is no near miss without an identity policy that allows',
  );
  t.match(
    near(asked('root'), { resource: delegating, identity: [] })[0]?.explanation,
    / would allow kms:Decrypt, but /,
    'for the root nothing else is needed',
  );
  t.strictSame(near(asked('alice'), { ...open, identity: [limited], boundary: nothing }), []);
  t.match(near(asked('alice'), { ...open, identity: [everything], boundary: limited }), [{ statement: {} }]);
  t.match(near(asked('app'), { ...open, identity: [everything], session: [limited] }), [{ statement: {} }]);
  t.strictSame(
    near(asked('app'), { ...open, identity: [everything], boundary: limited, session: [nothing] }),
    [],
  );
  const roles = key([allow({ Principal: aws(names.appRole), ...conditional })]);
  t.equal(near(asked('app'), { resource: roles, identity: [] }).length, 1);
  t.strictSame(near(asked('app'), { resource: roles, identity: [], boundary: nothing }), []);
  t.end();
});

void t.test('the closest near misses come first, and their number is limited', (t) => {
  const lacks = (Sid: string, ...keys: string[]) =>
    allow({ Sid, Condition: { StringEquals: Object.fromEntries(keys.map((each) => [`kms:${each}`, 'x'])) } });
  const elsewhere = allow({ Sid: 'Elsewhere', Resource: 'arn:aws:kms:*:*:key/other' });
  const sids = (...statements: Parameters<typeof textOf>[0][number][]) =>
    near(asked('alice'), { ...open, identity: [identity(statements as Document)] }).map(
      ({ statement }) => statement.sid,
    );
  t.strictSame(sids(lacks('Two', 'a', 'b'), elsewhere, lacks('One', 'a')), ['One', 'Elsewhere', 'Two']);
  t.strictSame(
    sids(lacks('Four', 'a', 'b', 'c', 'd')),
    [],
    'a statement with four false conditions is no near miss',
  );
  t.equal(sids(...Array.from({ length: 9 }, (_each, index) => lacks(`S${index}`, 'a'))).length, 3);
  t.end();
});

void t.test('a search that takes too long finds nothing, and causes no error', (t) => {
  const long = 'a'.repeat(8_190);
  const patterns = Array.from({ length: 200 }, (_each, index) => `*aaab${index}*`);
  const costly = () => identity([allow({ Condition: { StringLike: { [project]: patterns } } })]);
  const policies = { ...open, identity: [costly()] };
  const request = asked('alice', { [project]: long });
  const decision = decide(request, policies);
  t.equal(nearMisses(request, policies, decision).length, 1);
  const many = { ...open, identity: Array.from({ length: 20 }, costly) };
  t.strictSame(nearMisses(request, many, decision), []);
  const [found] = nearMisses(request, policies, decision);
  t.ok(found!.explanation.length < 600, 'long values are shortened');
  t.end();
});

void t.test('values that could move a cursor are escaped', (t) => {
  const policies = { ...open, identity: [identity([deny(), allow()])] };
  t.strictSame(near(asked('alice'), policies), [], 'a deny without conditions is no near miss');
  const hostile = identity(readers({ StringEquals: { [project]: 'a\u001b[2J"' } }));
  const [found] = near(asked('alice', { [project]: 'b\u009b\n' }), { ...open, identity: [hostile] });
  t.match(found?.explanation, String.raw`is "b\\u009b\\u000a" and must be "a\\u001b[2J\""`);
  t.end();
});
