import { exceptions } from '../../proto/errors.js';

/** What is asked: may this principal do this to that. */
export interface AuthorizationRequest {
  readonly principal: { readonly type: 'Root'; readonly arn: string; readonly account: string };
  /** `kms:Encrypt` */
  readonly action: string;
  /** ARN of the resource, or `*` where the operation has none. */
  readonly resource: string;
  /** The key policy document of the key, where the resource is one. */
  readonly keyPolicy: string | undefined;
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
 * The one decision about every operation. The account root may do all that a key's policy does not keep from it,
 * and the default key policy keeps nothing from it.
 * @throws AccessDeniedException
 */
export function authorize({ principal, action, resource, keyPolicy }: AuthorizationRequest): void {
  if (keyPolicy === undefined || keyPolicy === defaultPolicyOf(principal.account)) return;
  throw new exceptions.AccessDeniedException(
    `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource} ` +
      `because no resource-based policy allows the ${action} action`,
  );
}

const defaultPolicies = new Map<string, string>();

function defaultPolicyOf(account: string): string {
  let policy = defaultPolicies.get(account);
  if (policy === undefined) defaultPolicies.set(account, (policy = defaultKeyPolicy(account)));
  return policy;
}
