// CreateRole, GetRole, DeleteRole, ListRoles, UpdateAssumeRolePolicy, TagRole, UntagRole.
import type { Role as RoleMessage } from '../../../proto/generated/messages.js';
import { type Identities, putPrincipal, removePrincipal, type Role } from '../../identity/identities.js';
import { identityArn, uniqueId } from '../../identity/names.js';
import type { RoleRecord } from '../../identity/records.js';
import {
  alreadyExists,
  boundaryName,
  boundaryOf,
  changeIdentity,
  checkDetached,
  existingRole,
  quotaExceeded,
  withoutTags,
  withTags,
} from './identity-changes.js';
import { givenBoundary, givenTags, namedTags, ofRole } from './identity-conditions.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import { pageUnderPath } from '../shared/paging.js';
import { shownPolicy, trustOf } from '../shared/policy-documents.js';

const createRole = operation({
  name: 'CreateRole',
  service: 'keyhold',
  readOnly: false,
  permissions: [
    {
      action: 'keyhold:CreateRole',
      conditionKeys: { ...givenTags, ...givenBoundary },
      resource: ({ roleName, path = '/' }, { identities }) =>
        identityArn(identities.account, 'role', path, roleName),
    },
  ],
  audited: [
    'path',
    'roleName',
    'assumeRolePolicyDocument',
    'description',
    'maxSessionDuration',
    'permissionsBoundary',
    'tags',
  ],
  auditedResponse: (response) => response,
  handle({ request, services }) {
    const { roleName, path = '/', assumeRolePolicyDocument, permissionsBoundary, tags = [] } = request;
    const { identities, limits } = services;
    const id = uniqueId('role');
    const record: RoleRecord = {
      type: 'Role',
      roleName,
      path,
      description: request.description,
      ...trustOf(assumeRolePolicyDocument, identities),
      maxSessionDuration: request.maxSessionDuration ?? 3_600,
      createdAt: Math.floor(Date.now() / 1000),
      tags: withTags({ tags: [], policies: [] }, tags),
      policies: [],
      boundary: boundaryName(permissionsBoundary, services),
    };
    const arn = identityArn(identities.account, 'role', path, roleName);
    return {
      response: { role: roleMessage({ id, arn, record }, identities) },
      changes: () => {
        if (identities.role(roleName)) throw alreadyExists(`Role with name ${roleName}`);
        if (identities.counts.roles >= limits.roles) throw quotaExceeded('RolesPerAccount', limits.roles);
        return [putPrincipal(id, { ...record, boundary: boundaryName(permissionsBoundary, services) })];
      },
    };
  },
});

const getRole = operation({
  name: 'GetRole',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:GetRole', resource: roleArn, conditionKeys: ofRole }],
  audited: ['roleName'],
  handle: ({ request: { roleName }, services }) => ({
    response: { role: roleMessage(existingRole(roleName, services), services.identities) },
  }),
});

const deleteRole = operation({
  name: 'DeleteRole',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:DeleteRole', resource: roleArn, conditionKeys: ofRole }],
  audited: ['roleName'],
  handle({ request: { roleName }, services }) {
    const remove = () => {
      const { id, record } = existingRole(roleName, services);
      checkDetached(record);
      return [removePrincipal(id)];
    };
    remove();
    return { response: {}, changes: remove };
  },
});

const listRoles = operation({
  name: 'ListRoles',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:ListRoles' }],
  audited: ['pathPrefix', 'limit', 'marker'],
  handle({ request, services: { identities } }) {
    const { items, truncated, nextMarker } = pageUnderPath(
      request,
      (after) => identities.roles(after),
      ({ record }) => record.roleName,
    );
    const roles = items.map((role) => roleMessage(role, identities));
    return { response: { roles, truncated, nextMarker } };
  },
});

const updateAssumeRolePolicy = operation({
  name: 'UpdateAssumeRolePolicy',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:UpdateAssumeRolePolicy', resource: roleArn, conditionKeys: ofRole }],
  audited: ['roleName', 'policyDocument'],
  handle({ request: { roleName, policyDocument }, services }) {
    const trust = trustOf(policyDocument, services.identities);
    return changeIdentity(
      () => existingRole(roleName, services),
      () => trust,
    );
  },
});

const tagRole = operation({
  name: 'TagRole',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:TagRole', resource: roleArn, conditionKeys: { ...ofRole, ...givenTags } }],
  audited: ['roleName', 'tags'],
  handle: ({ request: { roleName, tags }, services }) =>
    changeIdentity(
      () => existingRole(roleName, services),
      (record) => ({ tags: withTags(record, tags) }),
    ),
});

const untagRole = operation({
  name: 'UntagRole',
  service: 'keyhold',
  readOnly: false,
  permissions: [
    { action: 'keyhold:UntagRole', resource: roleArn, conditionKeys: { ...ofRole, ...namedTags } },
  ],
  audited: ['roleName', 'tagKeys'],
  handle: ({ request: { roleName, tagKeys }, services }) =>
    changeIdentity(
      () => existingRole(roleName, services),
      (record) => ({ tags: withoutTags(record, tagKeys) }),
    ),
});

export const roleOperations: readonly AnyOperation[] = [
  createRole,
  getRole,
  deleteRole,
  listRoles,
  updateAssumeRolePolicy,
  tagRole,
  untagRole,
];

/** The ARN of the role that a request names, even if there is no such role. */
export function roleArn({ roleName }: { readonly roleName: string }, { identities }: Services): string {
  return identities.role(roleName)?.arn ?? identityArn(identities.account, 'role', '/', roleName);
}

function roleMessage({ id, arn, record }: Role, identities: Identities): RoleMessage {
  const { roleName, path, createdAt, trustPolicy, trustBindings, description, maxSessionDuration, tags } =
    record;
  return {
    path,
    roleName,
    roleId: id,
    arn,
    createDate: createdAt,
    assumeRolePolicyDocument: shownPolicy(trustPolicy, trustBindings, identities),
    description,
    maxSessionDuration,
    permissionsBoundary: boundaryOf(record, identities),
    tags,
  };
}
