// Policy documents that identities bear, checked when they are put.
import type { Identities } from '../identity/identities.js';
import type { RoleRecord } from '../identity/records.js';
import { bindTrustPolicy, compileIdentityPolicy, compileTrustPolicy } from '../policy/document.js';

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
  const trustBindings = bindTrustPolicy(document, identities.account, ({ kind, arn, name }) => {
    if (kind === 'user') return identities.userByArn(arn)?.id;
    return kind === 'role' ? identities.roleByArn(arn)?.id : identities.role(name)?.id;
  });
  compileTrustPolicy(document, trustBindings);
  return { trustPolicy: document, trustBindings };
}
