// Condition keys about grants (KMS Developer Guide, "AWS KMS condition keys").
import type { CreateGrantRequest } from '../../../proto/generated/messages.js';
import { type Constraint, suppliedConstraints } from '../../keys/index.js';
import type { ConditionContext, ConditionKeys } from '../../pipeline/operation.js';

/** No service of AWS makes, lists or revokes grants for its users here. */
export const notForService = { 'kms:GrantIsForAWSResource': () => 'false' };

/** Condition keys for a grant's constraint: its type and its encryption context. */
export function constraintConditions<Request>(
  read: (asked: ConditionContext<Request>) => Constraint | undefined,
): ConditionKeys<Request> {
  const pairs = (asked: ConditionContext<Request>) => read(asked)?.pairs ?? [];
  return {
    'kms:GrantConstraintType': (asked) => read(asked)?.type,
    'kms:EncryptionContext:': (asked, name) =>
      pairs(asked).flatMap(([key, value]) => (key.toLowerCase() === name ? [value] : [])),
    'kms:EncryptionContextKeys': (asked) => pairs(asked).map(([key]) => key),
  };
}

/** Condition keys of CreateGrant. */
export const createGrantConditions: ConditionKeys<CreateGrantRequest> = {
  ...notForService,
  ...constraintConditions(({ request }) => suppliedConstraints(request.constraints)[0]),
  'kms:GrantOperations': ({ request }) => request.operations,
  'kms:GranteePrincipal': ({ request }) => request.granteePrincipal,
  'kms:RetiringPrincipal': ({ request }) => request.retiringPrincipal,
};
