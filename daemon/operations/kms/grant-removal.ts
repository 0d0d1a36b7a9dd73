// RetireGrant, RevokeGrant.
import { exceptions } from '../../../proto/errors.js';
import type { RetireGrantRequest } from '../../../proto/generated/messages.js';
import type { Caller } from '../../identity/caller.js';
import { type Grant, type GrantName, grantOfToken, removeGrant } from '../../keys/index.js';
import { stopIfDryRun } from '../shared/request-parts.js';
import { constraintConditions, notForService } from '../shared/grant-conditions.js';
import { checkGrantId } from './grants.js';
import { type AnyOperation, operation, type Outcome, type Services } from '../../pipeline/operation.js';
import { keyIdOrArn } from '../shared/key-resolvers.js';

const retireGrant = operation({
  name: 'RetireGrant',
  service: 'kms',
  readOnly: false,
  permissions: [
    {
      action: 'kms:RetireGrant',
      key: (request, services) => services.keyring.existing(retired(request, services).keyId),
      conditionKeys: constraintConditions<RetireGrantRequest>(
        ({ request, services }) => retired(request, services).constraint,
      ),
      grant({ request, services }, granteeId) {
        const grant = retired(request, services);
        return mayRetire(grant, granteeId, services) ? grant : undefined;
      },
    },
  ],
  states: 'read',
  audited: ['keyId', 'grantId'],
  handle({ request, services, caller }) {
    const grant = retired(request, services);
    if (!idsOf(caller).some((id) => mayRetire(grant, id, services))) {
      throw new exceptions.AccessDeniedException(
        `User: ${caller.arn} is not authorized to perform: kms:RetireGrant on resource: ` +
          `${services.keyring.namer.keyArn(grant.keyId)} because the grant does not allow it`,
      );
    }
    stopIfDryRun(request);
    return removal(grant, services);
  },
});

const revokeGrant = operation({
  name: 'RevokeGrant',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:RevokeGrant', key: keyIdOrArn('keyId'), conditionKeys: notForService }],
  states: 'read',
  audited: ['keyId', 'grantId'],
  handle({ request, key, services }) {
    const grantId = checkGrantId(request.grantId);
    const grant = existingGrant({ keyId: key.record.keyId, grantId }, services);
    stopIfDryRun(request);
    return removal(grant, services);
  },
});

export const grantRemovalOperations: readonly AnyOperation[] = [retireGrant, revokeGrant];

/**
 * The grant that a request retires, named by its token or by key and ID.
 * @throws ValidationException, InvalidGrantIdException, InvalidGrantTokenException, NotFoundException
 */
function retired(request: RetireGrantRequest, services: Services): Grant {
  const { grantToken, keyId, grantId } = request;
  if (grantToken !== undefined && keyId === undefined && grantId === undefined)
    return existingGrant(grantOfToken(grantToken), services);
  if (grantToken === undefined && keyId !== undefined && grantId !== undefined) {
    const key = services.keyring.findByKeyId(keyId);
    return existingGrant({ keyId: key.record.keyId, grantId: checkGrantId(grantId) }, services);
  }
  throw new exceptions.ValidationException('RetireGrant takes either GrantToken, or KeyId and GrantId.');
}

/** @throws NotFoundException */
function existingGrant({ keyId, grantId }: GrantName, { grants }: Services): Grant {
  const grant = grants.get(keyId, grantId);
  if (!grant) throw new exceptions.NotFoundException(`Grant ID ${grantId} not found`);
  return grant;
}

/** The ids by which grants name a caller. */
function idsOf(caller: Caller): string[] {
  const { principalId } = caller;
  return caller.type === 'AssumedRole' ? [principalId, caller.role.id] : [principalId];
}

/**
 * Whether a principal may retire a grant: its retiring principal, a grantee that it allows to, and the account's root. No
 * policy can allow it ("RetireGrant", API Reference).
 */
function mayRetire(
  { granteeId, retiringId, operations }: Grant,
  id: string,
  { identities }: Services,
): boolean {
  if (id === identities.account || id === retiringId) return true;
  return id === granteeId && operations.includes('RetireGrant');
}

function removal(grant: Grant, services: Services): Outcome<Record<string, never>> {
  const changes = () => [removeGrant(existingGrant(grant, services))];
  return { response: {}, changes, grantId: grant.grantId };
}
