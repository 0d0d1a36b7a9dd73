// The cost of a decision is limited in steps, so these tests measure no time.
import t from 'tap';
import { decide, type Policies } from '../../../daemon/policy/engine/decide.js';
import {
  checkCost,
  compileIdentityPolicy,
  compileKeyPolicy,
  type Policy,
} from '../../../daemon/policy/language/document.js';
import type { Lookup } from '../../../daemon/policy/language/patterns.js';
import { account, keyArn, principals } from './world.js';

const root = { AWS: `arn:aws:iam::${account}:root` };
const textOf = (...statements: object[]) => JSON.stringify({ Version: '2012-10-17', Statement: statements });
const allow = { Effect: 'Allow', Action: '*', Resource: '*' };
const keyPolicy = (...denies: object[]) =>
  compileKeyPolicy(textOf({ ...allow, Principal: root }, ...denies), {});
const denying = (condition: object) => ({ ...allow, Effect: 'Deny', Condition: condition });
const identityPolicy = (condition: object) =>
  compileIdentityPolicy(textOf(allow, denying(condition)), 'policy');
const everything = compileIdentityPolicy(textOf(allow), 'policy');

const long = 'a'.repeat(8_190);
const manyKeys = Array.from({ length: 4_000 }, (_each, index) => index.toString(36));
const values: Readonly<Record<string, readonly string[]>> = {
  'kms:encryptioncontext:k': [long],
  'kms:encryptioncontextkeys': manyKeys,
  'aws:username': ['alice'],
};
const context: Lookup = (key) => values[key];
const decided = (policies: Policies<unknown>) =>
  decide({ principal: principals.alice, action: 'kms:Encrypt', resource: keyArn, context }, policies);
const refusal = {
  code: 'access-denied',
  message: /values are too long or too many/,
};

const patterns = (count: number, of = (index: number) => `*aaab${index}*`) =>
  Array.from({ length: count }, (_each, index) => of(index));
const like = (list: string[]) => ({ StringLike: { 'kms:EncryptionContext:k': list } });
const times = (count: number, policy: Policy) => Array.from({ length: count }, () => policy);

void t.test('an accepted policy is evaluated even for the longest value', (t) => {
  const worst = [
    patterns(250),
    patterns(250, (index) => `*a?b${index}*`),
    patterns(125, (index) => `*${'a'.repeat(60)}b${index}*`),
    patterns(25, (index) => `*a?${'a'.repeat(300)}${index}*`),
  ];
  for (const list of worst) {
    const policy = keyPolicy({ ...denying(like(list)), Principal: '*' });
    checkCost(policy);
    t.equal(decided({ resource: policy, identity: [everything] }).allowed, true);
  }
  t.end();
});

void t.test('many policies with dozens of patterns are evaluated for ordinary values', (t) => {
  const ordinary = identityPolicy({
    StringNotLike: { 'aws:username': patterns(60, (index) => `*l?c*${index % 2 ? '' : 'x'}`) },
  });
  const all = { identity: times(10, ordinary), boundary: ordinary, session: times(11, ordinary) };
  t.equal(decided({ resource: keyPolicy(), ...all }).allowed, true);
  t.end();
});

void t.test('a decision that would take too long is refused, whatever the type of policy', (t) => {
  const costly = identityPolicy(like(patterns(250)));
  checkCost(costly);
  const short = ['*!', ...patterns(200, (index) => `${index}*!*`)];
  const inVariable = patterns(150, (index) => '*${kms:EncryptionContext:k}?' + index);
  const cases: Record<string, Policies<unknown>> = {
    'identity policies': { resource: keyPolicy(), identity: times(10, costly) },
    'a boundary and session policies': {
      resource: keyPolicy(),
      identity: [everything],
      boundary: costly,
      session: times(11, costly),
    },
    'thousands of values': {
      resource: keyPolicy(),
      identity: [identityPolicy({ 'ForAnyValue:StringLike': { 'kms:EncryptionContextKeys': short } })],
    },
    'thousands of values, without wildcards': {
      resource: keyPolicy(
        ...patterns(220).map(() => ({
          ...denying({ 'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': '!' } }),
          Principal: '*',
        })),
      ),
      identity: [everything],
    },
    numbers: {
      resource: keyPolicy(),
      identity: [
        identityPolicy({
          'ForAnyValue:NumericEquals': { 'kms:EncryptionContextKeys': patterns(600, (n) => `-${n + 1}`) },
        }),
      ],
    },
    'variables with long values': { resource: keyPolicy(), identity: [identityPolicy(like(inVariable))] },
  };
  for (const [name, policies] of Object.entries(cases)) {
    t.throws(() => decided(policies), refusal, name);
    t.equal(
      decided({ resource: keyPolicy(), identity: [everything] }).allowed,
      true,
      'the next request is decided',
    );
  }
  t.end();
});
