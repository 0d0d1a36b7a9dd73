// Policy documents that keys and identities bear, checked when they are put.
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
 * What a role's record keeps of a trust policy: the document, and the unique ids that its names stand for now. Whoever
 * is made later under one of those names is not meant.
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
 * What a key's record keeps of its policy, as `trustOf` of a role's.
 * @param document undefined: the default one
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
 * The names in a policy whose principals were deleted, and the unique ids that they stood for. Somebody else may have such a
 * name by now, and is not meant.
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
 * A policy as it is shown: as it was put, but for the unique ids in the place of principals that were deleted, as at AWS
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
