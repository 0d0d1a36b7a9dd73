// The caller's principal, and the policies that apply to it.
import { type AssumedRoleCaller, type Caller, identityOf } from '../../identity/caller.js';
import type { Identities, ManagedPolicy } from '../../identity/identities.js';
import type { RoleRecord } from '../../identity/records.js';
import type { Session } from '../../identity/sessions/session.js';
import type { Policies } from './decide.js';
import { compileIdentityPolicy, compileTrustPolicy, Policy } from '../language/document.js';
import type { Principal } from '../language/principals.js';

/** Compiled policies by source. Sources are replaced, never modified. */
const managed = new WeakMap<ManagedPolicy, Policy>();
const trusts = new WeakMap<TrustedRole, Policy>();
const inline = new WeakMap<Session, Policy>();

/** A role's trust policy. */
export type TrustedRole = Pick<RoleRecord, 'trustPolicy' | 'trustBindings'>;

/** Returns the principal of a caller, for policies. */
export function principalOf(caller: Caller): Principal {
  const { arn, account, principalId: id } = caller;
  if (caller.type === 'Root') return { type: 'Root', arn, account };
  if (caller.type === 'User') return { type: 'IAMUser', arn, account, id };
  return { type: 'AssumedRole', arn, account, id, roleId: caller.role.id };
}

/** Returns the caller's present policies. */
export function policiesOf(
  caller: Caller,
  identities: Identities,
): Pick<Policies<unknown>, 'identity' | 'boundary' | 'session'> {
  const { policies = [], boundary } = identityOf(caller)?.record ?? {};
  return {
    identity: policies.map((name) => compiled(identities.policy(name), name)),
    boundary: boundary === undefined ? undefined : compiled(identities.policy(boundary), boundary),
    session: caller.type === 'AssumedRole' ? sessionPolicies(caller, identities) : [],
  };
}

/** Returns the compiled trust policy of a role. */
export function trustPolicyOf(role: TrustedRole): Policy {
  let policy = trusts.get(role);
  if (!policy) trusts.set(role, (policy = compileTrustPolicy(role.trustPolicy, role.trustBindings)));
  return policy;
}

/** A deleted policy allows nothing: as a boundary or session policy it must not be skipped. */
function compiled(source: ManagedPolicy | undefined, name: string): Policy {
  if (!source) return new Policy('identity', name, []);
  let policy = managed.get(source);
  if (!policy) managed.set(source, (policy = compileIdentityPolicy(source.record.document, source.arn)));
  return policy;
}

function sessionPolicies({ session }: AssumedRoleCaller, identities: Identities): Policy[] {
  const policies = session.policies.map(({ name, id }) => {
    const policy = identities.policy(name);
    return compiled(policy?.record.policyId === id ? policy : undefined, name);
  });
  if (session.policy === undefined) return policies;
  let own = inline.get(session);
  if (!own) inline.set(session, (own = compileIdentityPolicy(session.policy, 'session policy')));
  return [...policies, own];
}
