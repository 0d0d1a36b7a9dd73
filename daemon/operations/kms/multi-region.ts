// ReplicateKey, UpdatePrimaryRegion.
import { exceptions } from '../../../proto/errors.js';
import { type AnyOperation, operation } from '../../pipeline/operation.js';
import { keyIdOrArn } from '../shared/key-resolvers.js';

const replicateKey = operation({
  name: 'ReplicateKey',
  service: 'kms',
  readOnly: false,
  // The other Region checks kms:CreateKey and, for tags, kms:TagResource.
  permissions: [
    {
      action: 'kms:ReplicateKey',
      key: keyIdOrArn('keyId'),
      conditionKeys: { 'kms:ReplicaRegion': ({ request }) => request.replicaRegion },
    },
  ],
  states: 'replicate',
  audited: ['keyId', 'replicaRegion', 'policy', 'bypassPolicyLockoutSafetyCheck', 'description', 'tags'],
  auditedResponse: (response) => response,
  handle() {
    throw new exceptions.UnsupportedOperationException('not linked');
  },
});

const updatePrimaryRegion = operation({
  name: 'UpdatePrimaryRegion',
  service: 'kms',
  readOnly: false,
  // The other Region checks the same permission on its replica.
  permissions: [
    {
      action: 'kms:UpdatePrimaryRegion',
      key: keyIdOrArn('keyId'),
      conditionKeys: { 'kms:PrimaryRegion': ({ request }) => request.primaryRegion },
    },
  ],
  states: 'movePrimary',
  audited: ['keyId', 'primaryRegion'],
  handle() {
    throw new exceptions.UnsupportedOperationException('not linked');
  },
});

export const multiRegionOperations: readonly AnyOperation[] = [replicateKey, updatePrimaryRegion];
