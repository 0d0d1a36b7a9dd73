// What the creation of a replica key needs in its Region.
import { requestTags } from '../../pipeline/condition-keys.js';
import type { ConditionContext, Permission } from '../../pipeline/operation.js';
import type { PeerRequest } from '../../regions/messages.js';

type Creation = PeerRequest<'CreateReplicaKey'>;

/** What the condition keys of a creation are read from. */
export type CreationFacts = Pick<Creation, 'bypassPolicyLockoutSafetyCheck' | 'tags'> & {
  readonly properties: Pick<Creation['properties'], 'keySpec' | 'keyUsage' | 'origin' | 'primaryRegion'>;
};

/** Reads a property of the primary key, for a condition key. */
function property(name: 'keySpec' | 'keyUsage' | 'origin' | 'primaryRegion') {
  return ({ request }: ConditionContext<Record<string, unknown>>) =>
    (request as CreationFacts).properties[name];
}

/** What the caller needs in this Region (AWS KMS API Reference, "ReplicateKey", "Required permissions"). */
export const creation: Permission<Record<string, unknown>> = {
  action: 'kms:CreateKey',
  conditionKeys: {
    ...requestTags,
    'kms:KeySpec': property('keySpec'),
    'kms:CustomerMasterKeySpec': property('keySpec'),
    'kms:KeyUsage': property('keyUsage'),
    'kms:CustomerMasterKeyUsage': property('keyUsage'),
    'kms:KeyOrigin': property('origin'),
    'kms:MultiRegion': () => 'true',
    'kms:MultiRegionKeyType': () => 'REPLICA',
    'kms:PrimaryRegion': property('primaryRegion'),
    'kms:BypassPolicyLockoutSafetyCheck': ({ request }) =>
      String((request as CreationFacts).bypassPolicyLockoutSafetyCheck),
  },
};
/** What the caller needs if the replica key has tags. */
export const tagging: Permission<Record<string, unknown>> = {
  action: 'kms:TagResource',
  conditionKeys: requestTags,
};
