// The cost of a decision on a policy of 20 statements, each with actions and three conditions.
import { decide } from '../../daemon/policy/engine/decide.js';
import { compileIdentityPolicy, compileKeyPolicy } from '../../daemon/policy/language/document.js';
import { median } from './load/load.js';
import type { Row } from './report/report.js';
import type { SuiteOptions } from './suite.js';

const account = '000000000000';
const user = `arn:aws:iam::${account}:user/u18`;

/** Every fourth statement denies. The request matches only the last one that allows. */
const statements = Array.from({ length: 20 }, (_, index) => ({
  Effect: index % 4 === 3 ? 'Deny' : 'Allow',
  Action: ['kms:Encrypt', 'kms:Decrypt'],
  Condition: {
    StringEquals: { 'kms:EncryptionContext:App': `app${index}` },
    IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '192.168.0.0/16'] },
    ArnLike: { 'aws:PrincipalArn': `arn:aws:iam::${account}:user/u*` },
  },
}));

const keyPolicy = (list: readonly object[], bindings = {}) =>
  compileKeyPolicy(JSON.stringify({ Version: '2012-10-17', Statement: list }), bindings);

const context: ReadonlyMap<string, readonly string[]> = new Map([
  ['kms:encryptioncontext:app', ['app18']],
  ['aws:sourceip', ['10.1.2.3']],
  ['aws:principalarn', [user]],
]);

const request = {
  principal: { type: 'IAMUser', arn: user, account, id: 'AIDA18' },
  action: 'kms:Encrypt',
  resource: `arn:aws:kms:us-east-1:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`,
  context: (key: string) => context.get(key),
} as const;

/** Measures one decision, in microseconds: the median of the rounds. */
export function policySuite({ time, rounds }: SuiteOptions): Promise<Row[]> {
  const everybody = keyPolicy(
    statements.map((statement) => ({ ...statement, Principal: '*', Resource: '*' })),
  );
  const delegation = keyPolicy([
    { Effect: 'Allow', Principal: { AWS: account }, Action: 'kms:*', Resource: '*' },
  ]);
  const resource = `arn:aws:kms:*:${account}:key/*`;
  const identity = compileIdentityPolicy(
    JSON.stringify({
      Version: '2012-10-17',
      Statement: statements.map((statement) => ({ ...statement, Resource: resource })),
    }),
    'policy',
  );
  const cases = [
    ['policy-20-in-key-policy', { resource: everybody, identity: [] }],
    ['policy-20-in-identity-policy', { resource: delegation, identity: [identity] }],
  ] as const;
  const rows = cases.map(([name, policies]): Row => {
    const work = () => decide(request, policies);
    if (!work().allowed) throw new Error(`${name}: the request should be allowed`);
    const values = Array.from({ length: rounds }, () => microseconds(work, time));
    return { name, value: median(values), unit: 'us', ratio_to_raw: null };
  });
  return Promise.resolve(rows);
}

/** Measures a synchronous function. @param time duration of the measurement in milliseconds @returns microseconds per call */
export function microseconds(work: () => unknown, time: number): number {
  for (let index = 0; index < 20_000; index++) work();
  const end = performance.now() + time;
  const begun = performance.now();
  let calls = 0;
  while (performance.now() < end) {
    for (let index = 0; index < 1_000; index++) work();
    calls += 1_000;
  }
  return ((performance.now() - begun) * 1_000) / calls;
}
