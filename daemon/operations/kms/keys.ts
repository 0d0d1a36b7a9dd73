// CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey, UpdateKeyDescription, GetKeyLastUsage.
import { type Key, keyMetadata, type KeyRecord, putKey } from '../../keys/index.js';
import { requestAlias } from '../../pipeline/condition-keys.js';
import { createKey } from './create-key.js';
import { type AnyOperation, operation, type Outcome, type Services } from '../../pipeline/operation.js';
import { page } from '../shared/paging.js';
import { keyIdOrAlias, keyIdOrArn } from '../shared/key-resolvers.js';

const describeKey = operation({
  name: 'DescribeKey',
  service: 'kms',
  readOnly: true,
  permissions: [
    { action: 'kms:DescribeKey', key: keyIdOrAlias('keyId'), conditionKeys: requestAlias('keyId') },
  ],
  states: 'read',
  audited: ['keyId'],
  handle: ({ key, services: { keyring, stores } }) => ({
    response: { keyMetadata: keyMetadata(key, keyring.namer, stores.clusterOf(key)) },
  }),
});

const listKeys = operation({
  name: 'ListKeys',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:ListKeys' }],
  audited: ['limit', 'marker'],
  handle({ request, services: { keyring } }) {
    const { items, truncated, nextMarker } = page(
      request,
      100,
      (after) => keyring.keyIds(after),
      (keyId) => keyId,
    );
    const keys = items.map((keyId) => ({ keyId, keyArn: keyring.namer.keyArn(keyId) }));
    return { response: { keys, truncated, nextMarker } };
  },
});

const enableKey = operation({
  name: 'EnableKey',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:EnableKey', key: keyIdOrArn('keyId') }],
  states: 'enableDisable',
  audited: ['keyId'],
  handle: ({ key, services }) => updateKey(key, services, { enabled: true }),
});

const disableKey = operation({
  name: 'DisableKey',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:DisableKey', key: keyIdOrArn('keyId') }],
  states: 'enableDisable',
  audited: ['keyId'],
  handle: ({ key, services }) => updateKey(key, services, { enabled: false }),
});

const updateKeyDescription = operation({
  name: 'UpdateKeyDescription',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:UpdateKeyDescription', key: keyIdOrArn('keyId') }],
  states: 'modify',
  audited: ['keyId', 'description'],
  handle: ({ request: { description }, key, services }) => updateKey(key, services, { description }),
});

const getKeyLastUsage = operation({
  name: 'GetKeyLastUsage',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:GetKeyLastUsage', key: keyIdOrArn('keyId') }],
  states: 'read',
  audited: ['keyId'],
  handle({ key, services: { lastUsage } }) {
    const { keyId, createdAt } = key.record;
    const usage = lastUsage.of(keyId);
    const keyLastUsage = usage && {
      operation: usage.operation,
      timestamp: usage.at,
      cloudTrailEventId: usage.eventId,
      kmsRequestId: usage.requestId,
    };
    return {
      response: {
        keyId: key.arn,
        keyLastUsage: keyLastUsage ?? {},
        trackingStartDate: createdAt,
        keyCreationDate: createdAt,
      },
    };
  },
});

export const keyOperations: readonly AnyOperation[] = [
  createKey,
  describeKey,
  listKeys,
  enableKey,
  disableKey,
  updateKeyDescription,
  getKeyLastUsage,
];

function updateKey(
  { record: { keyId } }: Key,
  { keyring }: Services,
  change: Partial<Pick<KeyRecord, 'enabled' | 'description'>>,
): Outcome<Record<string, never>> {
  return { response: {}, changes: () => [putKey({ ...keyring.existing(keyId).record, ...change })] };
}
