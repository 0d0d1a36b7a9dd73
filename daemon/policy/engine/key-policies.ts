// Compiled key policies.
import { type Policy, compileKeyPolicy } from '../language/document.js';
import type { Bindings } from '../language/principals.js';

/** A key's policy in its record. */
export interface KeyPolicySource {
  readonly policy: string;
  /** Absent if the policy names only the account. */
  readonly policyBindings?: Bindings | undefined;
}

const ofRecord = new WeakMap<KeyPolicySource, Policy>();

/** Nearly all keys have the default policy or one of a few others. The oldest is evicted, and compiled again when needed. */
const shared = new Map<string, Policy>();
const maxShared = 1_024;

/**
 * Returns the policy of a key, compiled on first use after a change.
 * @param record replaced, never modified, when the policy changes
 */
export function keyPolicyOf(record: KeyPolicySource): Policy {
  let policy = ofRecord.get(record);
  if (!policy) ofRecord.set(record, (policy = compiled(record)));
  return policy;
}

function compiled({ policy: text, policyBindings = {} }: KeyPolicySource): Policy {
  const key = JSON.stringify([text, policyBindings]);
  let policy = shared.get(key);
  if (!policy) {
    policy = compileKeyPolicy(text, policyBindings);
    if (shared.size >= maxShared) shared.delete(shared.keys().next().value!);
    shared.set(key, policy);
  }
  return policy;
}

/** Returns the policy of a key that was created without one: full access for the account root, as at AWS. */
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
