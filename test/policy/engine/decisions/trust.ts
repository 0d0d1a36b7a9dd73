// Trust policies: who may assume a role.
import { account, allow, aws, names, type Row } from '../world.js';

const assume = { action: 'sts:AssumeRole', resource: names.appRole };
const trust = (Principal: unknown, more: object = {}) => [
  { Effect: 'Allow' as const, Principal, Action: 'sts:AssumeRole', ...more },
];

export const trustPolicies: readonly Row[] = [
  {
    it: 'a user whom the trust policy names',
    who: 'alice',
    ...assume,
    trust: trust(aws(names.alice)),
    expect: 'allow trust[0]',
  },
  {
    it: 'another user',
    who: 'bob',
    ...assume,
    trust: trust(aws(names.alice)),
    identity: [allow({ Action: 'sts:*' })],
    expect: 'none trust',
  },
  {
    it: 'the account, and an identity policy',
    who: 'bob',
    ...assume,
    trust: trust(aws(account)),
    identity: [allow({ Action: 'sts:AssumeRole' })],
    expect: 'allow identity[0]',
  },
  {
    it: 'the account, without one',
    who: 'bob',
    ...assume,
    trust: trust(aws(account)),
    expect: 'none identity',
  },
  {
    it: 'an identity policy for another role',
    who: 'bob',
    ...assume,
    trust: trust(aws(account)),
    identity: [allow({ Action: 'sts:AssumeRole', Resource: names.opsRole })],
    expect: 'none identity',
  },
  {
    it: 'a role, for chaining',
    who: 'ops',
    ...assume,
    trust: trust(aws(names.opsRole)),
    expect: 'allow trust[0]',
  },
  {
    it: 'another action of sts',
    who: 'alice',
    ...assume,
    action: 'sts:TagSession',
    trust: trust(aws(names.alice)),
    expect: 'none trust',
  },
  {
    it: 'both actions',
    who: 'alice',
    ...assume,
    action: 'sts:TagSession',
    trust: trust(aws(names.alice), { Action: ['sts:AssumeRole', 'sts:TagSession'] }),
    expect: 'allow trust[0]',
  },
  {
    it: 'a condition that is false',
    who: 'alice',
    ...assume,
    trust: trust(aws(names.alice), { Condition: { StringEquals: { 'sts:ExternalId': 'x' } } }),
    expect: 'none trust',
  },
  {
    it: 'a deny',
    who: 'alice',
    ...assume,
    trust: [...trust('*'), { Effect: 'Deny', Principal: aws(names.alice), Action: 'sts:AssumeRole' }],
    expect: 'deny trust[1]',
  },
  {
    it: 'a user made anew',
    who: 'newAlice',
    ...assume,
    trust: trust(aws(names.alice)),
    expect: 'none trust',
  },
  { it: 'root by the account', who: 'root', ...assume, trust: trust(aws(account)), expect: 'allow trust[0]' },
];
