// Messages about decisions.
import { PolicyError } from '../errors.js';
import type { Decision, Found, PolicyRequest, PolicyType } from './decide.js';

const withArticle: Readonly<Record<PolicyType, string>> = {
  'identity-based policy': 'an identity-based policy',
  'resource-based policy': 'a resource-based policy',
  'role trust policy': 'the role trust policy',
  'permissions boundary': 'a permissions boundary',
  'session policy': 'a session policy',
};

/**
 * Makes the error for a denied caller, in AWS's words (IAM User Guide, "Troubleshooting access denied error messages"). It
 * names the type of policy and nothing from its content.
 * @returns PolicyError (access-denied)
 */
export function accessDenied(
  { principal, action, resource }: Pick<PolicyRequest, 'principal' | 'action' | 'resource'>,
  decision: Decision & { readonly allowed: false },
): PolicyError {
  const reason =
    'missing' in decision
      ? `because no ${decision.missing} allows the ${action} action`
      : `with an explicit deny in ${withArticle[decision.by]}`;
  return new PolicyError(
    'access-denied',
    `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource} ${reason}`,
  );
}

/** An explained decision, for those who may read the policies. */
export interface Explanation {
  /** In the terms of IAM's policy simulator. */
  readonly decision: 'allowed' | 'explicitDeny' | 'implicitDeny';
  /** A sentence that names the statement or grant that decided, or the missing permission. */
  readonly reason: string;
}

/** Explains a decision. @param grantName returns the name of a grant for the sentence */
export function explain<Grant>(decision: Decision<Grant>, grantName: (grant: Grant) => string): Explanation {
  if (!decision.allowed) {
    if (!('missing' in decision))
      return { decision: 'explicitDeny', reason: `${place(decision.found)} denies it.` };
    return { decision: 'implicitDeny', reason: absence(decision.missing, decision.found) };
  }
  return { decision: 'allowed', reason: permission(decision, grantName) };
}

function permission<Grant>(
  decision: Decision<Grant> & { allowed: true },
  grantName: (grant: Grant) => string,
): string {
  if (decision.by === 'account root')
    return 'The account root may call every operation without a resource policy.';
  if (decision.by === 'grant') return `Grant ${grantName(decision.grant)} allows it.`;
  if (!decision.delegation) return `${place(decision.found)} allows it.`;
  return `${place(decision.found)} allows it, and ${place(decision.delegation)} lets the account's policies decide.`;
}

function absence(missing: PolicyType, found: Found | undefined): string {
  if (!found) return `No ${missing} allows it.`;
  if (missing === 'resource-based policy' || missing === 'role trust policy')
    return `${place(found)} allows it, but the ${missing} neither allows it nor lets the account's policies decide.`;
  return `${place(found)} allows it, but no ${missing} does.`;
}

/** Names a statement and its policy. */
export function place({ policy, statement }: Found): string {
  const sid = statement.sid === undefined ? '' : ` (${JSON.stringify(statement.sid)})`;
  return `${statement.path}${sid} of ${policy.name}`;
}
