// The principals, the key and the notation that the tests of decisions share.
import { decide, type Decision, type Policies } from '../../../daemon/policy/engine/decide.js';
import {
  compileIdentityPolicy,
  compileKeyPolicy,
  compileTrustPolicy,
  type Policy,
} from '../../../daemon/policy/language/document.js';
import type { Principal } from '../../../daemon/policy/language/principals.js';

export const account = '111122223333';
export const keyArn = `arn:aws:kms:us-east-1:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;

const user = (name: string, id: string): Principal => ({
  type: 'IAMUser',
  arn: `arn:aws:iam::${account}:user/${name}`,
  account,
  id,
});

const session = (role: string, roleId: string, name: string): Principal => ({
  type: 'AssumedRole',
  arn: `arn:aws:sts::${account}:assumed-role/${role}/${name}`,
  account,
  id: `${roleId}:${name}`,
  roleId,
});

/** The callers. `newAlice` was created with alice's name after alice was deleted. */
export const principals = {
  root: { type: 'Root', arn: `arn:aws:iam::${account}:root`, account },
  alice: user('team/alice', 'AIDAALICE'),
  newAlice: user('team/alice', 'AIDANEWALICE'),
  bob: user('bob', 'AIDABOB'),
  app: session('App', 'AROAAPP', 'one'),
  app2: session('App', 'AROAAPP', 'two'),
  newApp: session('App', 'AROANEWAPP', 'one'),
  ops: session('Ops', 'AROAOPS', 'one'),
  logs: { type: 'AWSService', arn: 'logs.amazonaws.com', name: 'logs.amazonaws.com' },
} as const satisfies Record<string, Principal>;

export type Who = keyof typeof principals;

/** Names as documents write them. */
export const names = {
  root: `arn:aws:iam::${account}:root`,
  alice: `arn:aws:iam::${account}:user/team/alice`,
  bob: `arn:aws:iam::${account}:user/bob`,
  appRole: `arn:aws:iam::${account}:role/service/App`,
  opsRole: `arn:aws:iam::${account}:role/Ops`,
  appSession: `arn:aws:sts::${account}:assumed-role/App/one`,
};

/** The unique IDs of the names when the policies were put. */
export const bindings = {
  [names.alice]: 'AIDAALICE',
  [names.bob]: 'AIDABOB',
  [names.appRole]: 'AROAAPP',
  [names.opsRole]: 'AROAOPS',
  [names.appSession]: 'AROAAPP',
};

export interface StatementDocument {
  Sid?: string;
  Effect: 'Allow' | 'Deny';
  Principal?: unknown;
  NotPrincipal?: unknown;
  Action?: unknown;
  NotAction?: unknown;
  Resource?: unknown;
  NotResource?: unknown;
  Condition?: Record<string, Record<string, unknown>>;
}

export type Document = readonly StatementDocument[] | string;

/** One line of the table. Policies are lists of statements of version 2012-10-17, or whole documents. */
export interface Row {
  /** The subject of the row. */
  readonly it: string;
  readonly who: Who;
  /** `kms:Encrypt`, if not given. */
  readonly action?: string;
  /** The key's ARN, if not given. */
  readonly resource?: string;
  readonly key?: Document;
  readonly trust?: Document;
  readonly identity?: Document;
  readonly boundary?: Document;
  readonly session?: Document;
  /** Condition keys of the request, in any case. */
  readonly context?: Readonly<Record<string, string | readonly string[]>>;
  /** IDs of principals to which a grant allows the request. */
  readonly grants?: readonly string[];
  /**
   * `allow key[0]`: the first statement of the key policy allows; `deny identity[1]`: the second of the identity policy
   * denies; `none boundary`: no permissions boundary allows; `allow grant`; `allow root`: as root, without a policy.
   */
  readonly expect: string;
}

export function textOf(document: Document): string {
  return typeof document === 'string'
    ? document
    : JSON.stringify({ Version: '2012-10-17', Statement: document });
}

/** The request's values of a condition key, whatever the case of its name. */
export function lookupIn(context: Row['context'] = {}): (key: string) => readonly string[] | undefined {
  const entries = Object.entries(context).map(([key, value]) => [key.toLowerCase(), [value].flat()] as const);
  const values = new Map<string, readonly string[]>(entries);
  return (key) => values.get(key);
}

function resourcePolicy(key: Document | undefined, trust: Document | undefined): Policy | undefined {
  if (key !== undefined) return compileKeyPolicy(textOf(key), bindings);
  return trust === undefined ? undefined : compileTrustPolicy(textOf(trust), bindings);
}

/** The daemon's decision on a row, in the table's notation. */
export function decideRow(row: Row): string {
  const { key, trust, identity, boundary, session: sessionPolicy, grants } = row;
  const policies: Policies<string> = {
    resource: resourcePolicy(key, trust),
    identity: identity ? [compileIdentityPolicy(textOf(identity), 'identity')] : [],
    boundary: boundary === undefined ? undefined : compileIdentityPolicy(textOf(boundary), 'boundary'),
    session: sessionPolicy ? [compileIdentityPolicy(textOf(sessionPolicy), 'session')] : [],
    grant: grants && ((grantee) => grants.find((id) => id === grantee)),
  };
  const request = {
    principal: principals[row.who],
    action: row.action ?? 'kms:Encrypt',
    resource: row.resource ?? keyArn,
    context: lookupIn(row.context),
  };
  return notation(decide(request, policies));
}

const shortNames: Readonly<Record<string, string>> = {
  'identity-based policy': 'identity',
  'resource-based policy': 'key',
  'role trust policy': 'trust',
  'permissions boundary': 'boundary',
  'session policy': 'session',
  'account root': 'root',
};

function notation(decision: Decision): string {
  if ('missing' in decision) return `none ${shortNames[decision.missing]}`;
  const verb = decision.allowed ? 'allow' : 'deny';
  if (!('found' in decision)) return `${verb} ${shortNames[decision.by] ?? decision.by}`;
  const { policy, statement } = decision.found as { policy: Policy; statement: Policy['statements'][number] };
  return `${verb} ${shortNames[decision.by]}[${policy.statements.indexOf(statement)}]`;
}

/** A statement as most rows need it. */
export const allow = (more: Partial<StatementDocument> = {}): StatementDocument => ({
  Effect: 'Allow',
  Action: 'kms:*',
  Resource: '*',
  ...more,
});

export const deny = (more: Partial<StatementDocument> = {}): StatementDocument => ({
  ...allow(more),
  Effect: 'Deny',
});

/** `{"AWS": …}` */
export const aws = (...list: string[]) => ({ AWS: list });

/** The statement by which a key policy lets the account's policies decide. */
export const delegate = (more: Partial<StatementDocument> = {}) =>
  allow({ Principal: aws(names.root), ...more });
