// CreatePolicy, GetPolicy, DeletePolicy, ListPolicies.
import { exceptions } from '../../../proto/errors.js';
import type { Policy as PolicyMessage } from '../../../proto/generated/messages.js';
import { type Identities, type ManagedPolicy, putPolicy, removePolicy } from '../../identity/identities.js';
import { identityArn, uniqueId } from '../../identity/names.js';
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
      response: { policy: policyMessage({ arn, record }, identities) },
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
    const policy = existing(policyArn, services);
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
      const { policyName } = existing(policyArn, services).record;
      const { attached, boundary } = services.identities.usesOf(policyName);
      if (attached + boundary > 0) {
        throw new exceptions.DeleteConflictException(
          `Cannot delete a policy attached to entities: it is attached to ${attached} and the boundary of ${boundary}.`,
        );
      }
      return [removePolicy(policyName)];
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

/** @throws NoSuchEntityException */
function existing(policyArn: string, { identities }: Services): ManagedPolicy {
  const policy = identities.policyByArn(policyArn);
  if (!policy) throw new exceptions.NoSuchEntityException(`Policy ${policyArn} was not found.`);
  return policy;
}

function policyMessage({ arn, record }: ManagedPolicy, identities: Identities): PolicyMessage {
  const { policyName, policyId, path, description, createdAt } = record;
  const { attached, boundary } = identities.usesOf(policyName);
  return {
    policyName,
    policyId,
    arn,
    path,
    attachmentCount: attached,
    permissionsBoundaryUsageCount: boundary,
    description,
    createDate: createdAt,
  };
}
