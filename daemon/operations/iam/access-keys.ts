// CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey. Only the root manages the root's
// access keys.
import { exceptions } from '../../../proto/errors.js';
import type { AccessKeyInfo } from '../../identity/access-keys.js';
import type { Caller } from '../../identity/caller.js';
import type { Principal } from '../../identity/identities.js';
import { existingUser, quotaExceeded } from './identity-changes.js';
import { namedUser, ofUser, resourceTags } from './identity-conditions.js';
import {
  type AnyOperation,
  type ConditionContext,
  operation,
  type Services,
} from '../../pipeline/operation.js';
import { page } from '../shared/paging.js';
import { callingUser, userArn } from './users.js';

/** Two, so that a key can be replaced without an outage. */
const accessKeysPerUser = 2;

const ofOwner = resourceTags((asked: ConditionContext<AccessKeyRequest>) => {
  const { request, services, caller } = asked;
  return find(request, services, caller)?.principal ?? namedUser(asked);
});

const createAccessKey = operation({
  name: 'CreateAccessKey',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:CreateAccessKey', resource: userArn, conditionKeys: ofUser }],
  audited: ['userName'],
  auditedResponse: ({ accessKey }) => ({ accessKey: { ...accessKey, secretAccessKey: undefined } }),
  async handle({ request: { userName }, services, caller }) {
    const { accessKeys, identities } = services;
    const { id, record } = owner(userName, services, caller);
    const check = () => {
      if (!identities.principal(id)) throw noSuchOwner();
      if (accessKeys.of(id).length >= accessKeysPerUser)
        throw quotaExceeded('AccessKeysPerUser', accessKeysPerUser);
    };
    check();
    const { accessKeyId, secretAccessKey, change } = await accessKeys.create(id);
    const createDate = Math.floor(Date.now() / 1000);
    const status = 'Active' as const;
    const accessKey = { userName: nameOf(record), accessKeyId, status, secretAccessKey, createDate };
    return {
      response: { accessKey },
      changes: () => {
        check();
        return [change];
      },
    };
  },
});

const listAccessKeys = operation({
  name: 'ListAccessKeys',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:ListAccessKeys', resource: userArn, conditionKeys: ofUser }],
  audited: ['userName', 'limit', 'marker'],
  handle({ request, services, caller }) {
    const { id, record } = owner(request.userName, services, caller);
    const { items, truncated, nextMarker } = page(
      request,
      100,
      (after) => services.accessKeys.of(id).filter(({ accessKeyId }) => accessKeyId > after),
      ({ accessKeyId }) => accessKeyId,
    );
    const accessKeyMetadata = items.map(({ accessKeyId, active, createdAt }) => ({
      userName: nameOf(record),
      accessKeyId,
      status: active ? ('Active' as const) : ('Inactive' as const),
      createDate: createdAt,
    }));
    return { response: { accessKeyMetadata, truncated, nextMarker } };
  },
});

const updateAccessKey = operation({
  name: 'UpdateAccessKey',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:UpdateAccessKey', resource: ownerArn, conditionKeys: ofOwner }],
  audited: ['userName', 'accessKeyId', 'status'],
  handle({ request, services, caller }) {
    const active = request.status === 'Active';
    const update = () => {
      const key = existingAccessKey(request, services, caller);
      if (!active) checkNotLastOfRoot(key, services);
      return [services.accessKeys.setActive(key.accessKeyId, active)];
    };
    update();
    return { response: {}, changes: update };
  },
});

const deleteAccessKey = operation({
  name: 'DeleteAccessKey',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:DeleteAccessKey', resource: ownerArn, conditionKeys: ofOwner }],
  audited: ['userName', 'accessKeyId'],
  handle({ request, services, caller }) {
    const remove = () => {
      const key = existingAccessKey(request, services, caller);
      checkNotLastOfRoot(key, services);
      return [services.accessKeys.remove(key.accessKeyId)];
    };
    remove();
    return { response: {}, changes: remove };
  },
});

export const accessKeyOperations: readonly AnyOperation[] = [
  createAccessKey,
  listAccessKeys,
  updateAccessKey,
  deleteAccessKey,
];

interface AccessKeyRequest {
  readonly userName?: string;
  readonly accessKeyId: string;
}

/**
 * The owner of the access keys that a request is about: the named user, or else the caller.
 * @throws NoSuchEntityException, ValidationException
 */
function owner(userName: string | undefined, services: Services, caller: Caller): Principal {
  if (userName !== undefined) return existingUser(userName, services);
  if (caller.type === 'Root') return services.identities.principal(caller.principalId)!;
  return callingUser(caller);
}

/**
 * Finds the access key that a request names. Without a user name all access keys are searched, because an ID identifies its
 * owner. Only the root finds the root's access keys.
 */
function find({ userName, accessKeyId }: AccessKeyRequest, services: Services, caller: Caller) {
  const { identities, accessKeys } = services;
  const key = accessKeys.info(accessKeyId);
  const principal = key && identities.principal(key.principalId);
  if (!key || !principal) return undefined;
  if (principal.record.type === 'Root' && (caller.type !== 'Root' || userName !== undefined))
    return undefined;
  if (userName !== undefined && principal.id !== identities.user(userName)?.id) return undefined;
  return { key, principal };
}

function ownerArn(request: AccessKeyRequest, services: Services, caller: Caller): string {
  return find(request, services, caller)?.principal.arn ?? userArn(request, services, caller);
}

/** @throws NoSuchEntityException */
function existingAccessKey(request: AccessKeyRequest, services: Services, caller: Caller): AccessKeyInfo {
  const found = find(request, services, caller);
  if (!found) {
    throw new exceptions.NoSuchEntityException(
      `The Access Key with id ${request.accessKeyId} cannot be found.`,
    );
  }
  return found.key;
}

/**
 * Refuses to disable the root's last active access key, which would lock it out for good.
 * @throws DeleteConflictException
 */
function checkNotLastOfRoot(key: AccessKeyInfo, { identities, accessKeys }: Services): void {
  if (identities.principal(key.principalId)?.record.type !== 'Root' || !key.active) return;
  if (accessKeys.of(key.principalId).filter(({ active }) => active).length > 1) return;
  throw new exceptions.DeleteConflictException(
    'This is the last active access key of the account root: create another one first.',
  );
}

function nameOf(record: Principal['record']): string | undefined {
  return record.type === 'User' ? record.userName : undefined;
}

function noSuchOwner() {
  return new exceptions.NoSuchEntityException('The user cannot be found any more.');
}
