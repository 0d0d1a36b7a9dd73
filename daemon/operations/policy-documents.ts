// Policy documents that keys and identities bear, checked when they are put.
import type { Identities } from '../identity/identities.js';
import type { RoleRecord } from '../identity/records.js';
import type { KeyRecord } from '../keys/record.js';
import {
  bindKeyPolicy,
  bindTrustPolicy,
  compileIdentityPolicy,
  compileKeyPolicy,
  compileTrustPolicy,
  type Resolve,
} from '../policy/document.js';
import { defaultKeyPolicy } from '../policy/key-policies.js';

/**
 * Checks a policy of users, roles or sessions.
 * @throws MalformedPolicyDocumentException, LimitExceededException
 */
export function checkIdentityPolicy(document: string): void {
  compileIdentityPolicy(document, 'policy');
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
  compileTrustPolicy(document, trustBindings);
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
  compileKeyPolicy(document, policyBindings);
  const namesNobody = Object.keys(policyBindings).length === 0;
  return { policy: document, policyBindings: namesNobody ? undefined : policyBindings };
}

function resolverOf(identities: Identities): Resolve {
  return ({ kind, arn, name }) => {
    if (kind === 'user') return identities.userByArn(arn)?.id;
    return kind === 'role' ? identities.roleByArn(arn)?.id : identities.role(name)?.id;
  };
}
