import t from 'tap';
import { decide, type Decision, type Policies } from '../../../daemon/policy/engine/decide.js';
import {
  compileIdentityPolicy,
  compileKeyPolicy,
  compileTrustPolicy,
} from '../../../daemon/policy/language/document.js';
import { accessDenied, explain } from '../../../daemon/policy/engine/messages.js';
import {
  allow,
  aws,
  bindings,
  delegate,
  deny,
  keyArn,
  names,
  principals,
  type StatementDocument,
  textOf,
  type Who,
} from './world.js';

const key = (...statements: StatementDocument[]) => compileKeyPolicy(textOf(statements), bindings);
const identity = (...statements: StatementDocument[]) =>
  compileIdentityPolicy(textOf(statements), 'arn:aws:iam::111122223333:policy/Use');
const assume = (Effect: 'Allow' | 'Deny') =>
  compileTrustPolicy(textOf([{ Effect, Principal: aws(names.bob), Action: 'sts:AssumeRole' }]), bindings);

function decided(who: Who, policies: Policies<string>, action = 'kms:Encrypt', resource = keyArn) {
  const request = { principal: principals[who], action, resource, context: () => undefined };
  const decision: Decision<string> = decide(request, policies);
  const { decision: kind, reason } = explain(decision, (grant) => grant);
  return { message: decision.allowed ? undefined : accessDenied(request, decision).message, kind, reason };
}

void t.test('a denied caller learns which type of policy denied, in the words of AWS', (t) => {
  const none = { resource: undefined, identity: [] };
  const user = `User: ${names.alice} is not authorized to perform: kms:Encrypt on resource: ${keyArn}`;
  const session = `User: ${names.appSession} is not authorized to perform: kms:Encrypt on resource: ${keyArn}`;
  const open = { resource: key(delegate()), identity: [identity(allow())] };
  const nothing = identity(allow({ Action: 's3:*' }));
  const cases: [Who, Policies<string>, string][] = [
    [
      'alice',
      { resource: key(delegate()), identity: [] },
      `${user} because no identity-based policy allows the kms:Encrypt action`,
    ],
    [
      'alice',
      { ...open, resource: key(allow({ Principal: aws(names.bob) })) },
      `${user} because no resource-based policy allows the kms:Encrypt action`,
    ],
    [
      'alice',
      { ...open, boundary: nothing },
      `${user} because no permissions boundary allows the kms:Encrypt action`,
    ],
    [
      'app',
      { ...open, session: [nothing] },
      `${session} because no session policy allows the kms:Encrypt action`,
    ],
    [
      'alice',
      { ...open, identity: [identity(deny())] },
      `${user} with an explicit deny in an identity-based policy`,
    ],
    [
      'alice',
      { ...open, resource: key(deny({ Principal: '*' })) },
      `${user} with an explicit deny in a resource-based policy`,
    ],
    [
      'alice',
      { ...open, boundary: identity(deny()) },
      `${user} with an explicit deny in a permissions boundary`,
    ],
    ['app', { ...open, session: [identity(deny())] }, `${session} with an explicit deny in a session policy`],
  ];
  for (const [who, policies, message] of cases) t.equal(decided(who, policies).message, message);
  t.equal(
    decided('alice', none, 'kms:CreateKey', '*').message,
    `User: ${names.alice} is not authorized to perform: kms:CreateKey on resource: * ` +
      'because no identity-based policy allows the kms:CreateKey action',
  );
  const role = (policies: Policies<string>) =>
    decided('alice', policies, 'sts:AssumeRole', names.appRole).message;
  t.match(
    role({ resource: assume('Allow'), identity: [] }),
    /because no role trust policy allows the sts:AssumeRole action$/,
  );
  t.match(
    decided('bob', { resource: assume('Deny'), identity: [] }, 'sts:AssumeRole', names.appRole).message,
    /with an explicit deny in the role trust policy$/,
  );
  t.end();
});

void t.test('an explanation names the statement or grant that decided, or what was missing', (t) => {
  const use = 'Statement[0] of arn:aws:iam::111122223333:policy/Use';
  const cases: [Who, Policies<string>, string, string][] = [
    [
      'alice',
      { resource: key(allow({ Sid: 'Use it', Principal: aws(names.alice) })), identity: [] },
      'allowed',
      'Statement[0] ("Use it") of key policy allows it.',
    ],
    [
      'alice',
      { resource: key(deny({ Principal: aws(names.bob) }), delegate()), identity: [identity(allow())] },
      'allowed',
      `${use} allows it, and Statement[1] of key policy lets the account's policies decide.`,
    ],
    [
      'alice',
      { resource: key(delegate()), identity: [], grant: () => 'abc' },
      'allowed',
      'Grant abc allows it.',
    ],
    [
      'root',
      { resource: undefined, identity: [] },
      'allowed',
      'The account root may call every operation without a resource policy.',
    ],
    [
      'alice',
      { resource: key(delegate()), identity: [identity(deny())] },
      'explicitDeny',
      `${use} denies it.`,
    ],
    [
      'alice',
      { resource: key(delegate()), identity: [] },
      'implicitDeny',
      'No identity-based policy allows it.',
    ],
    [
      'alice',
      { resource: key(allow({ Principal: aws(names.bob) })), identity: [identity(allow())] },
      'implicitDeny',
      `${use} allows it, but the resource-based policy neither allows it nor lets the account's policies decide.`,
    ],
    [
      'alice',
      {
        resource: key(delegate()),
        identity: [identity(allow())],
        boundary: identity(allow({ Action: 's3:*' })),
      },
      'implicitDeny',
      `${use} allows it, but no permissions boundary does.`,
    ],
    [
      'app',
      {
        resource: key(allow({ Principal: aws(names.appRole) })),
        identity: [],
        session: [identity(allow({ Action: 's3:*' }))],
      },
      'implicitDeny',
      'Statement[0] of key policy allows it, but no session policy does.',
    ],
  ];
  for (const [who, policies, kind, reason] of cases) {
    const explanation = decided(who, policies);
    t.strictSame({ kind: explanation.kind, reason: explanation.reason }, { kind, reason });
  }
  t.end();
});

void t.test(
  'condition keys are looked up in lower case, and only those of statements about the action',
  (t) => {
    const asked: string[] = [];
    const policy = key(
      allow({
        Principal: '*',
        Action: 'kms:Sign',
        Condition: { StringEquals: { 'kms:MessageType': 'RAW' } },
      }),
      allow({ Principal: aws(names.bob), Condition: { StringEquals: { 'aws:UserAgent': 'x' } } }),
      allow({
        Principal: '*',
        Condition: { StringEquals: { 'kms:EncryptionContext:AppName': '${aws:UserName}' } },
      }),
    );
    const context = (name: string) => {
      asked.push(name);
      return ['x'];
    };
    const request = { principal: principals.alice, action: 'kms:Encrypt', resource: keyArn, context };
    t.ok(decide(request, { resource: policy, identity: [] }).allowed);
    t.strictSame(asked, ['kms:encryptioncontext:appname', 'aws:username']);
    t.end();
  },
);
