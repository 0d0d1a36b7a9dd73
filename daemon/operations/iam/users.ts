// CreateUser, GetUser, DeleteUser, ListUsers, TagUser, UntagUser.
import { exceptions } from '../../../proto/errors.js';
import type { User as UserMessage } from '../../../proto/generated/messages.js';
import type { Caller } from '../../identity/caller.js';
import { type Identities, putPrincipal, removePrincipal, type User } from '../../identity/identities.js';
import { identityArn, uniqueId } from '../../identity/names.js';
import type { UserRecord } from '../../identity/records.js';
import {
  alreadyExists,
  boundaryName,
  boundaryOf,
  changeIdentity,
  checkDetached,
  existingUser,
  quotaExceeded,
  withoutTags,
  withTags,
} from './identity-changes.js';
import { givenBoundary, givenTags, namedTags, ofUser } from './identity-conditions.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import { pageUnderPath } from '../shared/paging.js';

const createUser = operation({
  name: 'CreateUser',
  service: 'keyhold',
  readOnly: false,
  permissions: [
    {
      action: 'keyhold:CreateUser',
      conditionKeys: { ...givenTags, ...givenBoundary },
      resource: ({ userName, path = '/' }, { identities }) =>
        identityArn(identities.account, 'user', path, userName),
    },
  ],
  audited: ['path', 'userName', 'permissionsBoundary', 'tags'],
  auditedResponse: (response) => response,
  handle({ request: { userName, path = '/', permissionsBoundary, tags = [] }, services }) {
    const { identities, limits } = services;
    const id = uniqueId('user');
    const record: UserRecord = {
      type: 'User',
      userName,
      path,
      createdAt: Math.floor(Date.now() / 1000),
      tags: withTags({ tags: [], policies: [] }, tags),
      policies: [],
      boundary: boundaryName(permissionsBoundary, services),
    };
    const arn = identityArn(identities.account, 'user', path, userName);
    return {
      response: { user: userMessage({ id, arn, record }, identities) },
      changes: () => {
        if (identities.user(userName)) throw alreadyExists(`User with name ${userName}`);
        if (identities.counts.users >= limits.users) throw quotaExceeded('UsersPerAccount', limits.users);
        return [putPrincipal(id, { ...record, boundary: boundaryName(permissionsBoundary, services) })];
      },
    };
  },
});

const getUser = operation({
  name: 'GetUser',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:GetUser', resource: userArn, conditionKeys: ofUser }],
  audited: ['userName'],
  handle({ request: { userName }, services, caller }) {
    const { identities } = services;
    if (userName === undefined && caller.type === 'Root') {
      const { id, arn, record } = identities.principal(caller.principalId)!;
      return { response: { user: { userId: id, arn, createDate: record.createdAt } } };
    }
    const user = userName === undefined ? callingUser(caller) : existingUser(userName, services);
    return { response: { user: userMessage(user, identities) } };
  },
});

const deleteUser = operation({
  name: 'DeleteUser',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:DeleteUser', resource: userArn, conditionKeys: ofUser }],
  audited: ['userName'],
  handle({ request: { userName }, services }) {
    const remove = () => {
      const { id, record } = existingUser(userName, services);
      if (services.accessKeys.of(id).length > 0) {
        throw new exceptions.DeleteConflictException('Cannot delete entity, must delete access keys first.');
      }
      checkDetached(record);
      return [removePrincipal(id)];
    };
    remove();
    return { response: {}, changes: remove };
  },
});

const listUsers = operation({
  name: 'ListUsers',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:ListUsers' }],
  audited: ['pathPrefix', 'limit', 'marker'],
  handle({ request, services: { identities } }) {
    const { items, truncated, nextMarker } = pageUnderPath(
      request,
      (after) => identities.users(after),
      ({ record }) => record.userName,
    );
    const users = items.map((user) => userMessage(user, identities));
    return { response: { users, truncated, nextMarker } };
  },
});

const tagUser = operation({
  name: 'TagUser',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:TagUser', resource: userArn, conditionKeys: { ...ofUser, ...givenTags } }],
  audited: ['userName', 'tags'],
  handle: ({ request: { userName, tags }, services }) =>
    changeIdentity(
      () => existingUser(userName, services),
      (record) => ({ tags: withTags(record, tags) }),
    ),
});

const untagUser = operation({
  name: 'UntagUser',
  service: 'keyhold',
  readOnly: false,
  permissions: [
    { action: 'keyhold:UntagUser', resource: userArn, conditionKeys: { ...ofUser, ...namedTags } },
  ],
  audited: ['userName', 'tagKeys'],
  handle: ({ request: { userName, tagKeys }, services }) =>
    changeIdentity(
      () => existingUser(userName, services),
      (record) => ({ tags: withoutTags(record, tagKeys) }),
    ),
});

export const userOperations: readonly AnyOperation[] = [
  createUser,
  getUser,
  deleteUser,
  listUsers,
  tagUser,
  untagUser,
];

/**
 * The ARN of the user that a request names, even if there is no such user. Without a name it is the caller's ARN, as in IAM.
 */
export function userArn(
  { userName }: { readonly userName?: string },
  { identities }: Services,
  caller: Caller,
): string {
  if (userName === undefined) return caller.arn;
  return identities.user(userName)?.arn ?? identityArn(identities.account, 'user', '/', userName);
}

/** The calling user. @throws ValidationException if the caller is not a user */
export function callingUser(caller: Caller): User {
  if (caller.type === 'User') return caller.user;
  throw new exceptions.ValidationException('Must specify userName when calling with non-User credentials');
}

function userMessage({ id, arn, record }: User, identities: Identities): UserMessage {
  const { userName, path, createdAt, tags } = record;
  const permissionsBoundary = boundaryOf(record, identities);
  return { path, userName, userId: id, arn, createDate: createdAt, permissionsBoundary, tags };
}
