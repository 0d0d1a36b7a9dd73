// Managed policies and permissions boundaries of users and roles: AttachUserPolicy, PutUserPermissionsBoundary and the like.
import type { AttachedPolicy, ListAttachedUserPoliciesResponse } from '../../../proto/generated/messages.js';
import type { Identities, Role, User } from '../../identity/identities.js';
import {
  boundaryName,
  changeIdentity,
  existingRole,
  existingUser,
  withoutBoundary,
  withoutPolicy,
  withPolicy,
} from './identity-changes.js';
import {
  boundaryOfRole,
  boundaryOfUser,
  givenBoundary,
  namedPolicy,
  ofRole,
  ofUser,
} from './identity-conditions.js';
import { type AnyOperation, operation, type Outcome } from '../../pipeline/operation.js';
import { page } from '../shared/paging.js';
import { roleArn } from './roles.js';
import { userArn } from './users.js';

const policyOfUser = { ...ofUser, ...namedPolicy, ...boundaryOfUser };
const policyOfRole = { ...ofRole, ...namedPolicy, ...boundaryOfRole };

const attachUserPolicy = operation({
  name: 'AttachUserPolicy',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:AttachUserPolicy', resource: userArn, conditionKeys: policyOfUser }],
  audited: ['userName', 'policyArn'],
  handle: ({ request: { userName, policyArn }, services }) =>
    changeIdentity(
      () => existingUser(userName, services),
      (record) => ({ policies: withPolicy(record, policyArn, 'User', services) }),
    ),
});

const detachUserPolicy = operation({
  name: 'DetachUserPolicy',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:DetachUserPolicy', resource: userArn, conditionKeys: policyOfUser }],
  audited: ['userName', 'policyArn'],
  handle: ({ request: { userName, policyArn }, services }) =>
    changeIdentity(
      () => existingUser(userName, services),
      (record) => ({ policies: withoutPolicy(record, policyArn, services) }),
    ),
});

const attachRolePolicy = operation({
  name: 'AttachRolePolicy',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:AttachRolePolicy', resource: roleArn, conditionKeys: policyOfRole }],
  audited: ['roleName', 'policyArn'],
  handle: ({ request: { roleName, policyArn }, services }) =>
    changeIdentity(
      () => existingRole(roleName, services),
      (record) => ({ policies: withPolicy(record, policyArn, 'Role', services) }),
    ),
});

const detachRolePolicy = operation({
  name: 'DetachRolePolicy',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:DetachRolePolicy', resource: roleArn, conditionKeys: policyOfRole }],
  audited: ['roleName', 'policyArn'],
  handle: ({ request: { roleName, policyArn }, services }) =>
    changeIdentity(
      () => existingRole(roleName, services),
      (record) => ({ policies: withoutPolicy(record, policyArn, services) }),
    ),
});

const putUserPermissionsBoundary = operation({
  name: 'PutUserPermissionsBoundary',
  service: 'keyhold',
  readOnly: false,
  permissions: [
    {
      action: 'keyhold:PutUserPermissionsBoundary',
      resource: userArn,
      conditionKeys: { ...ofUser, ...givenBoundary },
    },
  ],
  audited: ['userName', 'permissionsBoundary'],
  handle: ({ request: { userName, permissionsBoundary }, services }) =>
    changeIdentity(
      () => existingUser(userName, services),
      () => ({ boundary: boundaryName(permissionsBoundary, services) }),
    ),
});

const deleteUserPermissionsBoundary = operation({
  name: 'DeleteUserPermissionsBoundary',
  service: 'keyhold',
  readOnly: false,
  permissions: [
    {
      action: 'keyhold:DeleteUserPermissionsBoundary',
      resource: userArn,
      conditionKeys: { ...ofUser, ...boundaryOfUser },
    },
  ],
  audited: ['userName'],
  handle: ({ request: { userName }, services }) =>
    changeIdentity(
      () => existingUser(userName, services),
      (record) => withoutBoundary(record, userName),
    ),
});

const putRolePermissionsBoundary = operation({
  name: 'PutRolePermissionsBoundary',
  service: 'keyhold',
  readOnly: false,
  permissions: [
    {
      action: 'keyhold:PutRolePermissionsBoundary',
      resource: roleArn,
      conditionKeys: { ...ofRole, ...givenBoundary },
    },
  ],
  audited: ['roleName', 'permissionsBoundary'],
  handle: ({ request: { roleName, permissionsBoundary }, services }) =>
    changeIdentity(
      () => existingRole(roleName, services),
      () => ({ boundary: boundaryName(permissionsBoundary, services) }),
    ),
});

const deleteRolePermissionsBoundary = operation({
  name: 'DeleteRolePermissionsBoundary',
  service: 'keyhold',
  readOnly: false,
  permissions: [
    {
      action: 'keyhold:DeleteRolePermissionsBoundary',
      resource: roleArn,
      conditionKeys: { ...ofRole, ...boundaryOfRole },
    },
  ],
  audited: ['roleName'],
  handle: ({ request: { roleName }, services }) =>
    changeIdentity(
      () => existingRole(roleName, services),
      (record) => withoutBoundary(record, roleName),
    ),
});

const listAttachedUserPolicies = operation({
  name: 'ListAttachedUserPolicies',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:ListAttachedUserPolicies', resource: userArn, conditionKeys: ofUser }],
  audited: ['userName', 'limit', 'marker'],
  handle: ({ request, services }) =>
    listAttached(request, existingUser(request.userName, services), services.identities),
});

const listAttachedRolePolicies = operation({
  name: 'ListAttachedRolePolicies',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:ListAttachedRolePolicies', resource: roleArn, conditionKeys: ofRole }],
  audited: ['roleName', 'limit', 'marker'],
  handle: ({ request, services }) =>
    listAttached(request, existingRole(request.roleName, services), services.identities),
});

export const attachmentOperations: readonly AnyOperation[] = [
  attachUserPolicy,
  detachUserPolicy,
  attachRolePolicy,
  detachRolePolicy,
  putUserPermissionsBoundary,
  deleteUserPermissionsBoundary,
  putRolePermissionsBoundary,
  deleteRolePermissionsBoundary,
  listAttachedUserPolicies,
  listAttachedRolePolicies,
];

function listAttached(
  request: { readonly limit?: number; readonly marker?: string },
  { record }: User | Role,
  identities: Identities,
): Outcome<ListAttachedUserPoliciesResponse> {
  const names = [...record.policies].sort();
  const { items, truncated, nextMarker } = page(
    request,
    100,
    (after) => names.filter((name) => name > after),
    (name) => name,
  );
  const attachedPolicies = items.map((policyName): AttachedPolicy => {
    // A policy that is attached cannot be deleted.
    return { policyName, policyArn: identities.policy(policyName)!.arn };
  });
  return { response: { attachedPolicies, truncated, nextMarker } };
}
