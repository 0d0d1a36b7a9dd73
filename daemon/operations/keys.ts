// CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey, UpdateKeyDescription, GetKeyLastUsage.
import { randomBytes, randomUUID } from 'node:crypto';
import { exceptions } from '../../proto/errors.js';
import type { CreateKeyRequest, KeySpec, KeyUsageType } from '../../proto/generated/messages.js';
import { generateMaterial } from '../keys/intents.js';
import { Key, putKey } from '../keys/keyring.js';
import { keyMetadata } from '../keys/metadata.js';
import type { KeyRecord } from '../keys/record.js';
import { type KeySpecEntry, keySpecs, type KeyUsageEntry } from '../keys/specs.js';
import { defaultKeyPolicy } from '../policy/authorize.js';
import { type AnyOperation, operation, type Outcome, type Services } from './operation.js';
import { page } from './paging.js';
import { anyForm, keyIdOrArn } from './resolvers.js';
import { checkTags } from './tags.js';

const createKey = operation({
  name: 'CreateKey',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:CreateKey' }],
  audited: [
    'description',
    'keyUsage',
    'customerMasterKeySpec',
    'keySpec',
    'origin',
    'multiRegion',
    'policy',
    'tags',
  ],
  auditsResponse: true,
  async handle(request, _keys, services) {
    const { keySpec, keyUsage, spec, usage } = checkCreateKey(request, services);
    const { keyring, records, store } = services;
    const keyId = request.multiRegion ? `mrk-${randomBytes(16).toString('hex')}` : randomUUID();
    // Before there is anything that a failure would leave behind.
    const materialId = (await store.random(32)).toString('hex');
    const material = await generateMaterial(records, store, `keyhold/${keyId}`, usage.template);
    const createdAt = Date.now() / 1000;
    const objectId = material.objectId.toString('hex');
    const record: KeyRecord = {
      keyId,
      createdAt,
      description: request.description ?? '',
      enabled: true,
      keySpec,
      keyUsage,
      multiRegion: request.multiRegion ?? false,
      policy: defaultKeyPolicy(keyring.namer.account),
      tags: request.tags ?? [],
      materials: [{ materialId, objectId, suite: spec.suite, createdAt }],
    };
    return {
      response: { keyMetadata: keyMetadata(new Key(record, keyring.namer), keyring.namer) },
      changes: () => [putKey(record), material.commit],
      undo: () => material.undo(),
    };
  },
});

const describeKey = operation({
  name: 'DescribeKey',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:DescribeKey', key: anyForm('keyId') }],
  states: 'read',
  audited: ['keyId'],
  handle: (_request, [key], { keyring }) =>
    Promise.resolve({ response: { keyMetadata: keyMetadata(key!, keyring.namer) } }),
});

const listKeys = operation({
  name: 'ListKeys',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:ListKeys' }],
  audited: ['limit', 'marker'],
  handle(request, _keys, { keyring }) {
    const { items, truncated, nextMarker } = page(
      request,
      100,
      (after) => keyring.keyIds(after),
      (keyId) => keyId,
    );
    const keys = items.map((keyId) => ({ keyId, keyArn: keyring.namer.keyArn(keyId) }));
    return Promise.resolve({ response: { keys, truncated, nextMarker } });
  },
});

const enableKey = operation({
  name: 'EnableKey',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:EnableKey', key: keyIdOrArn('keyId') }],
  states: 'enableDisable',
  audited: ['keyId'],
  handle: (_request, [key], services) => Promise.resolve(updateKey(key!, services, { enabled: true })),
});

const disableKey = operation({
  name: 'DisableKey',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:DisableKey', key: keyIdOrArn('keyId') }],
  states: 'enableDisable',
  audited: ['keyId'],
  handle: (_request, [key], services) => Promise.resolve(updateKey(key!, services, { enabled: false })),
});

const updateKeyDescription = operation({
  name: 'UpdateKeyDescription',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:UpdateKeyDescription', key: keyIdOrArn('keyId') }],
  states: 'modify',
  audited: ['keyId', 'description'],
  handle: ({ description }, [key], services) => Promise.resolve(updateKey(key!, services, { description })),
});

const getKeyLastUsage = operation({
  name: 'GetKeyLastUsage',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:GetKeyLastUsage', key: keyIdOrArn('keyId') }],
  states: 'read',
  audited: ['keyId'],
  handle(_request, [key], { lastUsage }) {
    const { keyId, createdAt } = key!.record;
    const usage = lastUsage.of(keyId);
    const keyLastUsage = usage && {
      operation: usage.operation,
      timestamp: usage.at,
      cloudTrailEventId: usage.eventId,
      kmsRequestId: usage.requestId,
    };
    return Promise.resolve({
      response: {
        keyId: key!.arn,
        keyLastUsage: keyLastUsage ?? {},
        trackingStartDate: createdAt,
        keyCreationDate: createdAt,
      },
    });
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

interface CheckedCreateKey {
  readonly keySpec: KeySpec;
  readonly keyUsage: KeyUsageType;
  readonly spec: KeySpecEntry;
  readonly usage: KeyUsageEntry;
}

/** @throws ValidationException, UnsupportedOperationException, LimitExceededException */
function checkCreateKey(request: CreateKeyRequest, { keyring, limits }: Services): CheckedCreateKey {
  const { origin = 'AWS_KMS', customerMasterKeySpec, tags = [] } = request;
  const unsupported = (what: string) =>
    new exceptions.UnsupportedOperationException(`${what} not available yet.`);
  if (request.keySpec && customerMasterKeySpec) {
    throw new exceptions.ValidationException('You cannot specify both KeySpec and CustomerMasterKeySpec.');
  }
  const keySpec = request.keySpec ?? customerMasterKeySpec ?? 'SYMMETRIC_DEFAULT';
  const spec = keySpecs[keySpec];
  if (spec.unsupported !== undefined) {
    throw new exceptions.UnsupportedOperationException(
      `Keys of spec ${keySpec} are not available: ${spec.unsupported}.`,
    );
  }
  if (origin !== 'AWS_KMS') throw unsupported(`Keys of origin ${origin} are`);
  if (request.customKeyStoreId !== undefined) throw unsupported('Custom key stores are');
  if (request.xksKeyId !== undefined) throw unsupported('External key stores are');
  if (request.policy !== undefined && request.policy !== defaultKeyPolicy(keyring.namer.account)) {
    throw unsupported('Key policies other than the default one are');
  }
  const keyUsage = request.keyUsage ?? spec.defaultUsage;
  if (keyUsage === undefined) {
    throw new exceptions.ValidationException(
      `You must specify a KeyUsage value for a key of spec ${keySpec}: ${Object.keys(spec.usages).join(' or ')}.`,
    );
  }
  const usage = spec.usages[keyUsage];
  if (usage === undefined) {
    throw new exceptions.ValidationException(
      `KeyUsage ${keyUsage} is not compatible with KeySpec ${keySpec}, which takes ${Object.keys(spec.usages).join(' or ')}.`,
    );
  }
  checkTags(tags, limits);
  if (keyring.count() >= limits.keys) {
    throw new exceptions.LimitExceededException(`There are ${limits.keys} keys already, which is the limit.`);
  }
  return { keySpec, keyUsage, spec, usage };
}
