import { exceptions } from '../../proto/errors.js';
import type { Caller } from '../identity/caller.js';
import type { Identities } from '../identity/identities.js';
import { policiesOf, principalOf, type TrustedRole, trustPolicyOf } from './caller-policies.js';
import { decide } from './decide.js';
import { accessDenied } from './messages.js';
import type { Lookup } from './patterns.js';

/** What is asked: may this principal do this to that. */
export interface AuthorizationRequest {
  readonly principal: Caller;
  /** `kms:Encrypt` */
  readonly action: string;
  /** ARN of the resource, or `*` where the operation has none. */
  readonly resource: string;
  /** The key policy document of the key, where the resource is one. */
  readonly keyPolicy: string | undefined;
  /** Where the resource is a role that is to be assumed: its trust policy decides; undefined: there is no such role. */
  readonly trust?: { readonly role: TrustedRole | undefined } | undefined;
  readonly identities: Identities;
  readonly context: Lookup;
}

/** The key policy of a key that was made without one: full access for the account root, as at AWS. */
export function defaultKeyPolicy(account: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Id: 'key-default-1',
    Statement: [
      {
        Sid: 'Enable IAM User Permissions',
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${account}:root` },
        Action: 'kms:*',
        Resource: '*',
      },
    ],
  });
}

/**
 * The one decision about every operation. The account root may do what a key's policy allows it; the default one allows
 * everything. Of policies only statements that allow actions to the root without a condition are understood.
 * Everybody else may do what a role's trust policy lets them: assume it.
 * @throws AccessDeniedException
 */
export function authorize(request: AuthorizationRequest): void {
  const { principal, action, resource, keyPolicy, trust } = request;
  if (trust) {
    authorizeTrust(request, trust.role);
    return;
  }
  if (principal.type !== 'Root') {
    throw new exceptions.AccessDeniedException(
      `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource} ` +
        `because no identity-based policy allows the ${action} action`,
    );
  }
  if (keyPolicy === undefined || allowedTo(principal.account, keyPolicy).test(action)) return;
  throw new exceptions.AccessDeniedException(
    `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource} ` +
      `because no resource-based policy allows the ${action} action`,
  );
}

/**
 * A role that there is not is told apart by nobody: as at STS, it is one that does not trust the caller.
 * @throws AccessDeniedException
 */
function authorizeTrust(
  { principal: caller, action, resource, identities, context }: AuthorizationRequest,
  role: TrustedRole | undefined,
): void {
  if (caller.type === 'Root') {
    throw new exceptions.AccessDeniedException('Roles may not be assumed by root accounts.');
  }
  const request = { principal: principalOf(caller), action, resource, context };
  const decision = role
    ? decide(request, { resource: trustPolicyOf(role), ...policiesOf(caller, identities) })
    : { allowed: false as const, missing: 'role trust policy' as const };
  if (!decision.allowed) throw accessDenied(request, decision);
}

const allowed = new Map<string, RegExp>();

/** The actions that a policy allows to an account's root. There are as many policies as services, and the default one. */
function allowedTo(account: string, policy: string): RegExp {
  let pattern = allowed.get(policy);
  if (pattern === undefined) {
    const { Statement } = JSON.parse(policy) as { Statement: Readonly<Record<string, unknown>>[] };
    const root = JSON.stringify({ AWS: `arn:aws:iam::${account}:root` });
    const isPlain = ({ Effect, Principal, Resource, Condition }: (typeof Statement)[number]) =>
      Effect === 'Allow' && JSON.stringify(Principal) === root && Resource === '*' && Condition === undefined;
    const actions = Statement.every(isPlain) ? Statement.flatMap(({ Action }) => Action as string[]) : [];
    pattern = new RegExp(`^(${actions.map((action) => action.replaceAll('*', '.*')).join('|')})$`);
    allowed.set(policy, pattern);
  }
  return pattern;
}
