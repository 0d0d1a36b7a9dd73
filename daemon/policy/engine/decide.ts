// Policy evaluation (IAM User Guide, "Policy evaluation logic"; KMS Developer Guide, "Key policies").
import type { Policy } from '../language/document.js';
import type { Lookup } from '../language/patterns.js';
import type { Principal } from '../language/principals.js';
import type { Statement } from '../language/statement.js';
import { bounded } from '../language/work.js';

/** A request, as policies see it. */
export interface PolicyRequest {
  readonly principal: Principal;
  /** `kms:Encrypt` */
  readonly action: string;
  /** ARN of the resource, or `*` if the operation has none. */
  readonly resource: string;
  /** The request's condition keys; called only for keys in statements that match the action. */
  readonly context: Lookup;
}

/** The policies and grants that apply. */
export interface Policies<Grant> {
  /** The key policy, or the trust policy of a role to assume; undefined if the operation has no such resource. */
  readonly resource: Policy | undefined;
  /** Policies attached to the user, or to the session's role. */
  readonly identity: readonly Policy[];
  readonly boundary?: Policy | undefined;
  /** Session policies of an assumed role; empty if the session is not limited. */
  readonly session?: readonly Policy[];
  /**
   * Finds a grant of the key that allows the request.
   * @param grantee unique ID of a user or role, ID of a role session, or the account for the root
   */
  readonly grant?: ((grantee: string) => Grant | undefined) | undefined;
}

/** A statement and its policy. */
export interface Found {
  readonly policy: Policy;
  readonly statement: Statement;
}

/** A type of policy, as AWS's messages name it. */
export type PolicyType =
  | 'identity-based policy'
  | 'resource-based policy'
  | 'role trust policy'
  | 'permissions boundary'
  | 'session policy';

/** A decision and its reason: a statement, a grant, or the absence of a permission. */
export type Decision<Grant = unknown> =
  | {
      readonly allowed: true;
      readonly by: 'identity-based policy' | 'resource-based policy' | 'role trust policy';
      readonly found: Found;
      /** For an allow of an identity policy: the statement of the resource's policy that delegates to identity policies. */
      readonly delegation?: Found;
    }
  | { readonly allowed: true; readonly by: 'grant'; readonly grant: Grant }
  /** The root may call every operation without a resource policy. */
  | { readonly allowed: true; readonly by: 'account root' }
  | { readonly allowed: false; readonly by: PolicyType; readonly found: Found }
  | {
      readonly allowed: false;
      /** No policy of this type allows it. */
      readonly missing: PolicyType;
      /** A statement that allows it but does not suffice. */
      readonly found?: Found;
    };

/**
 * Decides a request. An explicit deny in any policy takes precedence. Next is an allow of the resource's policy for the
 * principal itself; then an allow of an identity policy, which for a resource with a policy counts only if a statement of
 * that policy allows the account the same request; then grants. Permissions boundaries and session policies limit every
 * permission that is not given to the user or session itself.
 * @throws PolicyError (access-denied) if the evaluation would take too long
 */
export function decide<Grant>(request: PolicyRequest, policies: Policies<Grant>): Decision<Grant> {
  return bounded(() => decideUnbounded(request, policies));
}

function decideUnbounded<Grant>(request: PolicyRequest, policies: Policies<Grant>): Decision<Grant> {
  const denial = findDeny(request, policies);
  if (denial) return { allowed: false, ...denial };
  const way = policies.resource
    ? throughResourcePolicy(request, policies.resource, policies)
    : throughIdentityPolicies(request, policies, undefined);
  return way.allowed ? way : (throughGrant(request, policies) ?? way);
}

function findDeny(
  request: PolicyRequest,
  { resource, identity, boundary, session = [] }: Policies<unknown>,
): { by: PolicyType; found: Found } | undefined {
  const hasBoundary = boundary !== undefined;
  const find = (policy: Policy | undefined, by: PolicyType) => {
    const statement = policy
      ?.about(request.action)
      .denies.find(
        (deny) =>
          deny.means(request.principal, hasBoundary) && deny.applies(request.resource, request.context),
      );
    return statement && { by, found: { policy: policy!, statement } };
  };
  const first = (list: readonly Policy[], by: PolicyType) => {
    for (const policy of list) {
      const found = find(policy, by);
      if (found) return found;
    }
    return undefined;
  };
  return (
    (resource && find(resource, typeOf(resource))) ??
    first(identity, 'identity-based policy') ??
    find(boundary, 'permissions boundary') ??
    first(session, 'session policy')
  );
}

function typeOf(resource: Policy): 'resource-based policy' | 'role trust policy' {
  return resource.kind === 'trust' ? 'role trust policy' : 'resource-based policy';
}

function throughResourcePolicy<Grant>(
  request: PolicyRequest,
  resource: Policy,
  policies: Policies<Grant>,
): Decision<Grant> {
  const by = typeOf(resource);
  let role: Found | undefined;
  let account: Found | undefined;
  for (const statement of resource.about(request.action).allows) {
    const match = statement.match(request.principal);
    if (match === undefined || (match === 'role' ? role : match === 'account' && account)) continue;
    if (!statement.applies(request.resource, request.context)) continue;
    const found = { policy: resource, statement };
    if (match === 'own') return { allowed: true, by, found };
    if (match === 'role') role = found;
    else account = found;
  }
  if (role) {
    const limit = missingLimit(request, policies);
    return limit ? { allowed: false, missing: limit, found: role } : { allowed: true, by, found: role };
  }
  if (account) return throughIdentityPolicies(request, policies, account);
  return { allowed: false, missing: by, found: findAllow(request, policies.identity) };
}

function throughIdentityPolicies<Grant>(
  request: PolicyRequest,
  policies: Policies<Grant>,
  delegation: Found | undefined,
): Decision<Grant> {
  if (request.principal.type === 'Root') return { allowed: true, by: 'account root' };
  const found = findAllow(request, policies.identity);
  if (!found) return { allowed: false, missing: 'identity-based policy' };
  const limit = missingLimit(request, policies);
  if (limit) return { allowed: false, missing: limit, found };
  return { allowed: true, by: 'identity-based policy', found, delegation };
}

/**
 * Grants to a user or session are limited only by denies, like an allow of a key policy; grants to a role also by
 * boundaries.
 */
function throughGrant<Grant>(request: PolicyRequest, policies: Policies<Grant>): Decision<Grant> | undefined {
  const { principal } = request;
  if (!policies.grant || principal.type === 'AWSService') return undefined;
  let grant = policies.grant(principal.type === 'Root' ? principal.account : principal.id);
  if (grant === undefined && principal.type === 'AssumedRole') {
    const toRole = policies.grant(principal.roleId);
    if (toRole !== undefined && !missingLimit(request, policies)) grant = toRole;
  }
  return grant === undefined ? undefined : { allowed: true, by: 'grant', grant };
}

/** Returns the type of limit, if there is one, that does not allow the request. */
export function missingLimit(
  request: PolicyRequest,
  { boundary, session = [] }: Policies<unknown>,
): 'permissions boundary' | 'session policy' | undefined {
  if (boundary && !findAllow(request, [boundary])) return 'permissions boundary';
  return session.length > 0 && !findAllow(request, session) ? 'session policy' : undefined;
}

/** Finds an allow in policies without principals. */
function findAllow(request: PolicyRequest, policies: readonly Policy[]): Found | undefined {
  for (const policy of policies) {
    const statement = policy
      .about(request.action)
      .allows.find((allow) => allow.applies(request.resource, request.context));
    if (statement) return { policy, statement };
  }
  return undefined;
}
