// CreateGrant, ListGrants, ListRetirableGrants.
import { exceptions } from '../../../proto/errors.js';
import type { CreateGrantRequest, GrantListEntry } from '../../../proto/generated/messages.js';
import { arnOfPrincipal, principalIdOf } from '../../identity/principal-ids.js';
import { rootArn } from '../../identity/names.js';
import {
  checkOperations,
  constraintOf,
  constraintsMessage,
  type Grant,
  type KeyRecord,
  makeGrantToken,
  type Permissions,
  putGrant,
} from '../../keys/index.js';
import { stopIfDryRun } from '../shared/request-parts.js';
import { createGrantConditions, notForService } from '../shared/grant-conditions.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import { page } from '../shared/paging.js';
import { keyIdOrArn } from '../shared/key-resolvers.js';

const createGrant = operation({
  name: 'CreateGrant',
  service: 'kms',
  readOnly: false,
  permissions: [
    {
      action: 'kms:CreateGrant',
      key: keyIdOrArn('keyId'),
      conditionKeys: createGrantConditions,
      grant({ request, key, services }, granteeId) {
        const child = permissionsOf(request, key!.record);
        return child && services.grants.find(key!, granteeId, 'CreateGrant', undefined, child);
      },
    },
  ],
  states: 'createGrant',
  audited: ['keyId', 'granteePrincipal', 'retiringPrincipal', 'operations', 'constraints', 'name'],
  // Only the caller that made the grant gets its token.
  auditedResponse: ({ grantId }) => ({ grantId }),
  async handle({ request, key, services }) {
    const { grants, stores, internalKeys } = services;
    const { keyId } = key.record;
    refuseServices(request);
    const { operations, constraints, granteePrincipal, retiringPrincipal, name } = request;
    if (granteePrincipal === undefined)
      throw new exceptions.ValidationException('GranteePrincipal is required.');
    checkOperations(operations, key.record);
    const record = {
      name,
      granteeId: principalId(granteePrincipal, services, 'GranteePrincipal'),
      retiringId: retiringPrincipal && principalId(retiringPrincipal, services, 'RetiringPrincipal'),
      operations: [...new Set(operations)],
      constraint: constraintOf(constraints, key.record),
      createdAt: Math.floor(Date.now() / 1000),
    };
    checkRoom(keyId, services);
    stopIfDryRun(request);
    const grant: Grant = { keyId, grantId: grants.claim(keyId, record), ...record };
    const undo = () => Promise.resolve(grants.disclaim(grant));
    try {
      const grantToken = await makeGrantToken(stores.main, internalKeys['grant-tokens'], grant);
      const changes = () => {
        if (grants.get(keyId, grant.grantId)) return [];
        checkRoom(keyId, services);
        return [putGrant(grant)];
      };
      return { response: { grantToken, grantId: grant.grantId }, changes, undo };
    } catch (error) {
      await undo();
      throw error;
    }
  },
});

const listGrants = operation({
  name: 'ListGrants',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:ListGrants', key: keyIdOrArn('keyId'), conditionKeys: notForService }],
  states: 'read',
  audited: ['keyId', 'grantId', 'granteePrincipal', 'limit', 'marker'],
  handle({ request, key, services }) {
    const { grants } = services;
    const { keyId } = key.record;
    refuseServices(request);
    const { grantId, granteePrincipal } = request;
    const granteeId = granteePrincipal && principalId(granteePrincipal, services, 'Input');
    const list = (after: string): Iterable<Grant> => {
      if (grantId !== undefined) return oneGrant(grants.get(keyId, checkGrantId(grantId)), granteeId);
      return granteeId === undefined ? grants.of(keyId, after) : grants.ofGrantee(keyId, granteeId, after);
    };
    return {
      response: entries(
        page(request, 50, list, (grant) => grant.grantId),
        services,
      ),
    };
  },
});

const listRetirableGrants = operation({
  name: 'ListRetirableGrants',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:ListRetirableGrants' }],
  audited: ['retiringPrincipal', 'limit', 'marker'],
  handle({ request, services }) {
    refuseServices(request);
    if (request.retiringPrincipal === undefined)
      throw new exceptions.ValidationException('RetiringPrincipal is required.');
    const retiringId = principalId(request.retiringPrincipal, services, undefined);
    const list = (after: string) => services.grants.retirableBy(retiringId, after);
    const found = page(request, 50, list, ({ keyId, grantId }) => `${keyId}/${grantId}`);
    return { response: entries(found, services) };
  },
});

export const grantOperations: readonly AnyOperation[] = [createGrant, listGrants, listRetirableGrants];

/** Checks the form of a grant ID, and returns it. @throws InvalidGrantIdException */
export function checkGrantId(grantId: string): string {
  if (/^[0-9a-f]{64}$/.test(grantId)) return grantId;
  throw new exceptions.InvalidGrantIdException(
    `The grant id '${grantId}' is not valid: it consists of 64 hexadecimal digits.`,
  );
}

/**
 * The unique ID of the principal with an ARN.
 * @param given the parameter's name in the message about a value that is not an ARN; undefined: ListRetirableGrants, which
 *   reports such a value as a principal that was not found
 * @throws InvalidArnException, NotFoundException
 */
function principalId(arn: string, { identities }: Services, given: string | undefined): string {
  const id = principalIdOf(arn, identities);
  if (id !== undefined) return id;
  if (!arn.startsWith('arn:')) {
    throw given === undefined
      ? new exceptions.NotFoundException(`Retiring principal ${arn} could not be found`)
      : new exceptions.InvalidArnException(
          `${given} does not refer to a valid principal${given === 'Input' ? '' : '.'}`,
        );
  }
  const problem = principalArn.test(arn) ? 'does not refer to a valid principal' : 'is not valid';
  throw new exceptions.InvalidArnException(`ARN ${problem}: ${arn}`);
}

/** Well-formed ARNs of principals, existing or not. The ARN of a session has the role's name without its path. */
const principalArn =
  /^arn:aws:(?:iam::[0-9]{12}:(?:root|(?:user|role)\/.+)|sts::[0-9]{12}:(?:assumed-role\/[^/]+|federated-user)\/[^/]+)$/;

/**
 * What a grant would allow; undefined if its constraint is invalid. The handler reports that later, so that only callers
 * that may make grants learn of it.
 */
function permissionsOf(
  { operations, constraints }: CreateGrantRequest,
  key: KeyRecord,
): Permissions | undefined {
  try {
    return { operations, constraint: constraintOf(constraints, key) };
  } catch {
    return undefined;
  }
}

/** Refuses service principals, which would otherwise be ignored. @throws UnsupportedOperationException */
function refuseServices(
  request: Pick<CreateGrantRequest, 'granteeServicePrincipal' | 'retiringServicePrincipal'>,
): void {
  const { granteeServicePrincipal: grantee, retiringServicePrincipal: retiring } = request;
  const [name] = Object.entries({ Grantee: grantee, Retiring: retiring }).find(([, value]) => value) ?? [];
  if (name === undefined) return;
  throw new exceptions.UnsupportedOperationException(
    `${name}ServicePrincipal names a service of AWS, and none calls here: use ${name}Principal.`,
  );
}

/** @throws LimitExceededException */
function checkRoom(keyId: string, { grants, limits }: Services): void {
  if (grants.count(keyId) < limits.grantsPerKey) return;
  throw new exceptions.LimitExceededException(
    `The key has ${limits.grantsPerKey} grants already, which is the limit: retire or revoke those that are not needed.`,
  );
}

function oneGrant(grant: Grant | undefined, granteeId: string | undefined): Grant[] {
  return grant && (granteeId === undefined || grant.granteeId === granteeId) ? [grant] : [];
}

function entries({ items, ...rest }: ReturnType<typeof page<Grant>>, services: Services) {
  return { grants: items.map((grant) => listEntry(grant, services)), ...rest };
}

function listEntry(grant: Grant, { identities, keyring }: Services): GrantListEntry {
  const { keyId, grantId, name = '', granteeId, retiringId, operations, constraint, createdAt } = grant;
  return {
    keyId: keyring.namer.keyArn(keyId),
    grantId,
    name,
    creationDate: createdAt,
    granteePrincipal: arnOfPrincipal(granteeId, identities),
    retiringPrincipal: retiringId === undefined ? undefined : arnOfPrincipal(retiringId, identities),
    issuingAccount: rootArn(identities.account),
    operations,
    constraints: constraint && constraintsMessage(constraint),
  };
}
