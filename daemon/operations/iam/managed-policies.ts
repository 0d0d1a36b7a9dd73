// CreatePolicy, GetPolicy, DeletePolicy, ListPolicies.
import { exceptions } from '../../../proto/errors.js';
import type { Policy as PolicyMessage } from '../../../proto/generated/messages.js';
import { type Identities, type ManagedPolicy, putPolicy, removePolicy } from '../../identity/identities.js';
import { identityArn, uniqueId } from '../../identity/names.js';
import { versionId } from '../../identity/policy-versions.js';
import type { PolicyRecord } from '../../identity/records.js';
import { quotaExceeded } from './identity-changes.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import { pageUnderPath } from '../shared/paging.js';
import { checkIdentityPolicy } from '../shared/policy-documents.js';

const createPolicy = operation({
  name: 'CreatePolicy',
  service: 'keyhold',
  readOnly: false,
  permissions: [
    {
      action: 'keyhold:CreatePolicy',
      resource: ({ policyName, path = '/' }, { identities }) =>
        identityArn(identities.account, 'policy', path, policyName),
    },
  ],
  audited: ['policyName', 'path', 'policyDocument', 'description'],
  auditedResponse: (response) => response,
  handle({
    request: { policyName, path = '/', policyDocument, description },
    services: { identities, limits },
  }) {
    checkIdentityPolicy(policyDocument);
    const record: PolicyRecord = {
      policyId: uniqueId('policy'),
      policyName,
      path,
      description,
      document: policyDocument,
      createdAt: Math.floor(Date.now() / 1000),
    };
    const arn = identityArn(identities.account, 'policy', path, policyName);
    return {
      response: { policy: newPolicyMessage({ arn, record }) },
      changes: () => {
        if (identities.policy(policyName)) {
          throw new exceptions.EntityAlreadyExistsException(
            `A policy called ${policyName} already exists. Duplicate names are not allowed.`,
          );
        }
        if (identities.counts.policies >= limits.policies)
          throw quotaExceeded('PoliciesPerAccount', limits.policies);
        return [putPolicy(record)];
      },
    };
  },
});

const getPolicy = operation({
  name: 'GetPolicy',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:GetPolicy', resource: ({ policyArn }) => policyArn }],
  audited: ['policyArn'],
  handle({ request: { policyArn }, services }) {
    const policy = existingManagedPolicy(policyArn, services);
    const policyDocument = policy.record.document;
    const message = { ...policyMessage(policy, services.identities), policyDocument };
    return { response: { policy: message } };
  },
});

const deletePolicy = operation({
  name: 'DeletePolicy',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:DeletePolicy', resource: ({ policyArn }) => policyArn }],
  audited: ['policyArn'],
  handle({ request: { policyArn }, services }) {
    const remove = () => {
      const policy = existingManagedPolicy(policyArn, services);
      const { policyName } = policy.record;
      const { attached, boundary } = services.identities.usesOf(policyName);
      if (attached + boundary > 0) {
        throw new exceptions.DeleteConflictException(
          `Cannot delete a policy attached to entities: it is attached to ${attached} and the boundary of ${boundary}.`,
        );
      }
      if (services.identities.versionsOf(policy).versions.length > 1) {
        throw new exceptions.DeleteConflictException(
          "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. " +
            'The default version is deleted with the policy.',
        );
      }
      return removePolicy(policyName);
    };
    remove();
    return { response: {}, changes: remove };
  },
});

const listPolicies = operation({
  name: 'ListPolicies',
  service: 'keyhold',
  readOnly: true,
  permissions: [{ action: 'keyhold:ListPolicies' }],
  audited: ['pathPrefix', 'limit', 'marker'],
  handle({ request, services: { identities } }) {
    const { items, truncated, nextMarker } = pageUnderPath(
      request,
      (after) => identities.policies(after),
      ({ record }) => record.policyName,
    );
    const policies = items.map((policy) => policyMessage(policy, identities));
    return { response: { policies, truncated, nextMarker } };
  },
});

export const managedPolicyOperations: readonly AnyOperation[] = [
  createPolicy,
  getPolicy,
  deletePolicy,
  listPolicies,
];

/** Finds a managed policy by its ARN. @throws NoSuchEntityException */
export function existingManagedPolicy(policyArn: string, { identities }: Services): ManagedPolicy {
  const policy = identities.policyByArn(policyArn);
  if (!policy) throw new exceptions.NoSuchEntityException(`Policy ${policyArn} was not found.`);
  return policy;
}

function newPolicyMessage({ arn, record }: ManagedPolicy): PolicyMessage {
  const { policyName, policyId, path, description, createdAt } = record;
  return {
    policyName,
    policyId,
    arn,
    path,
    defaultVersionId: versionId({ number: 1 }),
    attachmentCount: 0,
    permissionsBoundaryUsageCount: 0,
    description,
    createDate: createdAt,
    updateDate: createdAt,
  };
}

function policyMessage(policy: ManagedPolicy, identities: Identities): PolicyMessage {
  const { attached, boundary } = identities.usesOf(policy.record.policyName);
  const { defaultVersion, versions } = identities.versionsOf(policy);
  return {
    ...newPolicyMessage(policy),
    defaultVersionId: versionId({ number: defaultVersion }),
    attachmentCount: attached,
    permissionsBoundaryUsageCount: boundary,
    updateDate: versions.at(-1)!.createdAt,
  };
}
