// Checks the policy documents of keys and identities when they are set, and shows them.
import type { Identities } from '../../identity/identities.js';
import type { RoleRecord } from '../../identity/records.js';
import type { KeyRecord } from '../../keys/index.js';
import {
  bindKeyPolicy,
  bindTrustPolicy,
  checkCost,
  compileIdentityPolicy,
  compileKeyPolicy,
  compileTrustPolicy,
  type Resolve,
} from '../../policy/language/document.js';
import { renamePrincipals } from '../../policy/language/json.js';
import { defaultKeyPolicy } from '../../policy/engine/key-policies.js';
import { type Bindings, principalNamed } from '../../policy/language/principals.js';

/**
 * Checks a policy of users, roles or sessions.
 * @throws MalformedPolicyDocumentException, LimitExceededException
 */
export function checkIdentityPolicy(document: string): void {
  checkCost(compileIdentityPolicy(document, 'policy'));
}

/**
 * Checks a trust policy, and returns what a role's record stores of it: the document, and the unique IDs of the
 * principals that it names. A principal that is created later with one of these names is not meant.
 * @throws MalformedPolicyDocumentException, LimitExceededException
 */
export function trustOf(
  document: string,
  identities: Identities,
): Pick<RoleRecord, 'trustPolicy' | 'trustBindings'> {
  const trustBindings = bindTrustPolicy(document, identities.account, resolverOf(identities));
  checkCost(compileTrustPolicy(document, trustBindings));
  return { trustPolicy: document, trustBindings };
}

/**
 * Checks a key policy, and returns what a key's record stores of it, as `trustOf` does for a role.
 * @param document undefined: the default key policy
 * @throws MalformedPolicyDocumentException, LimitExceededException
 */
export function keyPolicy(
  document: string | undefined,
  identities: Identities,
): Pick<KeyRecord, 'policy' | 'policyBindings'> {
  const { account } = identities;
  if (document === undefined) return { policy: defaultKeyPolicy(account), policyBindings: undefined };
  const policyBindings = bindKeyPolicy(document, account, resolverOf(identities));
  checkCost(compileKeyPolicy(document, policyBindings));
  const namesNobody = Object.keys(policyBindings).length === 0;
  return { policy: document, policyBindings: namesNobody ? undefined : policyBindings };
}

/**
 * The ARNs in a policy whose principals were deleted, with the unique IDs of those. Another principal may have such an
 * ARN by now, and is not meant.
 */
export function deletedPrincipals(
  bindings: Bindings | undefined,
  identities: Identities,
): ReadonlyMap<string, string> {
  const resolve = resolverOf(identities);
  const deleted = new Map<string, string>();
  for (const [arn, id] of Object.entries(bindings ?? {})) {
    const named = principalNamed(arn);
    if (!named || resolve(named) === id) continue;
    deleted.set(arn, named.session === undefined ? id : `${id}:${named.session}`);
  }
  return deleted;
}

/**
 * A policy as responses show it: as it was set, except that unique IDs replace deleted principals, as in AWS
 * (IAM User Guide, "AWS JSON policy elements: Principal").
 */
export function shownPolicy(text: string, bindings: Bindings | undefined, identities: Identities): string {
  const deleted = deletedPrincipals(bindings, identities);
  return deleted.size === 0 ? text : renamePrincipals(text, (name) => deleted.get(name));
}

function resolverOf(identities: Identities): Resolve {
  return ({ kind, arn, name }) => {
    if (kind === 'user') return identities.userByArn(arn)?.id;
    return kind === 'role' ? identities.roleByArn(arn)?.id : identities.role(name)?.id;
  };
}
