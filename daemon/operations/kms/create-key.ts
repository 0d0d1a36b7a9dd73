// CreateKey, and the checks that it shares with SeedKey and AdoptKey.
import { randomBytes, randomUUID } from 'node:crypto';
import { exceptions } from '../../../proto/errors.js';
import type { CreateKeyRequest, KeySpec, KeyUsageType } from '../../../proto/generated/messages.js';
import {
  checkImportable,
  checkMechanisms,
  checkTravels,
  existingCustomKeyStore,
  Key,
  keyDefaults,
  keyMetadata,
  type KeyRecord,
  type KeySpecEntry,
  keySpecs,
  type KeyUsageEntry,
  putKey,
  usageIn,
} from '../../keys/index.js';
import { requestTags } from '../../pipeline/condition-keys.js';
import { externalKeyStore } from './custom-key-stores.js';
import { checkLockout } from './key-policies.js';
import { operation, type Services } from '../../pipeline/operation.js';
import { keyPolicy } from '../shared/policy-documents.js';
import { checkTags } from './tags.js';

export const createKey = operation({
  name: 'CreateKey',
  service: 'kms',
  readOnly: false,
  permissions: [
    {
      action: 'kms:CreateKey',
      conditionKeys: {
        ...requestTags,
        'kms:KeySpec': ({ request }) => requestedSpec(request),
        'kms:CustomerMasterKeySpec': ({ request }) => requestedSpec(request),
        'kms:KeyUsage': ({ request }) => requestedUsage(request),
        'kms:CustomerMasterKeyUsage': ({ request }) => requestedUsage(request),
        'kms:KeyOrigin': ({ request }) => request.origin ?? 'AWS_KMS',
        'kms:MultiRegion': ({ request }) => String(request.multiRegion ?? false),
        'kms:MultiRegionKeyType': ({ request }) => (request.multiRegion ? 'PRIMARY' : undefined),
        'kms:BypassPolicyLockoutSafetyCheck': ({ request }) =>
          String(request.bypassPolicyLockoutSafetyCheck ?? false),
      },
    },
    {
      action: 'kms:TagResource',
      conditionKeys: requestTags,
      when: ({ tags = [] }) => tags.length > 0,
    },
  ],
  audited: [
    'description',
    'keyUsage',
    'customerMasterKeySpec',
    'keySpec',
    'origin',
    'customKeyStoreId',
    'multiRegion',
    'bypassPolicyLockoutSafetyCheck',
    'policy',
    'tags',
  ],
  auditedResponse: (response) => response,
  async handle({ request, services, caller, origin }) {
    const { keySpec, keyUsage } = checkCreateKey(request, services);
    const { keyring, records, stores, materials } = services;
    const { customKeyStoreId } = request;
    const store = stores.named(customKeyStoreId);
    const usage = usageIn(store, keySpec, keyUsage)!;
    checkMechanisms(store, keySpec, keyUsage);
    if (request.origin === 'EXTERNAL') checkImportable(store, usage);
    if (request.multiRegion) checkTravels(store, keySpec);
    const keyId = request.multiRegion ? `mrk-${randomBytes(16).toString('hex')}` : randomUUID();
    const draft: KeyRecord = {
      ...keyDefaults,
      ...keyPolicy(request.policy, services.identities),
      keyId,
      createdAt: Date.now() / 1000,
      description: request.description ?? '',
      keySpec,
      keyUsage,
      multiRegion: request.multiRegion ?? false,
      origin:
        customKeyStoreId !== undefined
          ? 'AWS_CLOUDHSM'
          : request.origin === 'EXTERNAL'
            ? 'EXTERNAL'
            : 'AWS_KMS',
      customKeyStoreId,
      tags: request.tags ?? [],
      materials: [],
    };
    if (request.policy !== undefined && !request.bypassPolicyLockoutSafetyCheck)
      checkLockout(draft, { request, services, caller, origin });
    const made = draft.origin === 'EXTERNAL' ? undefined : await materials.generate(draft, customKeyStoreId);
    const record: KeyRecord = made
      ? { ...draft, createdAt: made.material.createdAt, materials: [made.material] }
      : draft;
    const key = new Key(record, keyring.namer);
    return {
      response: { keyMetadata: keyMetadata(key, keyring.namer, stores.clusterOf(key)) },
      made: key,
      changes: () => {
        if (customKeyStoreId !== undefined) existingCustomKeyStore(records, customKeyStoreId);
        return made ? [putKey(record), made.commit] : [putKey(record)];
      },
      undo: made?.undo,
    };
  },
});

/** @throws ValidationException, UnsupportedOperationException */
function checkCustomKeyStore({ origin, customKeyStoreId, multiRegion }: CreateKeyRequest): void {
  if ((origin === 'AWS_CLOUDHSM') !== (customKeyStoreId !== undefined)) {
    throw new exceptions.ValidationException(
      'Origin AWS_CLOUDHSM and CustomKeyStoreId go together: a key in a custom key store takes both.',
    );
  }
  if (customKeyStoreId !== undefined && multiRegion) {
    throw new exceptions.UnsupportedOperationException(
      'A multi-Region key cannot be in a custom key store, which belongs to one Region.',
    );
  }
}

type SpecAndUsage = Pick<CreateKeyRequest, 'keySpec' | 'customerMasterKeySpec' | 'keyUsage'>;

function requestedSpec({ keySpec, customerMasterKeySpec }: SpecAndUsage): KeySpec {
  return keySpec ?? customerMasterKeySpec ?? 'SYMMETRIC_DEFAULT';
}

function requestedUsage(request: SpecAndUsage): KeyUsageType | undefined {
  return request.keyUsage ?? keySpecs[requestedSpec(request)].defaultUsage;
}

interface CheckedCreateKey {
  readonly keySpec: KeySpec;
  readonly keyUsage: KeyUsageType;
  readonly spec: KeySpecEntry;
  readonly usage: KeyUsageEntry;
}

/**
 * Checks a request, and returns its key spec and key usage with their table entries.
 * @throws ValidationException, UnsupportedOperationException, LimitExceededException, TagException
 */
export function checkCreateKey(request: CreateKeyRequest, { keyring, limits }: Services): CheckedCreateKey {
  const { origin, customerMasterKeySpec, tags = [] } = request;
  if (request.keySpec && customerMasterKeySpec) {
    throw new exceptions.ValidationException(
      'You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.',
    );
  }
  const keySpec = requestedSpec(request);
  const spec = keySpecs[keySpec];
  if (spec.unsupported !== undefined) {
    throw new exceptions.UnsupportedOperationException(
      `Keys of spec ${keySpec} are not available: ${spec.unsupported}.`,
    );
  }
  if (origin === 'EXTERNAL_KEY_STORE' || request.xksKeyId !== undefined) throw externalKeyStore();
  checkCustomKeyStore(request);
  const keyUsage = requestedUsage(request);
  if (keyUsage === undefined) {
    throw new exceptions.ValidationException(
      'You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.',
    );
  }
  const usage = spec.usages[keyUsage];
  if (usage === undefined) {
    throw new exceptions.ValidationException(
      `KeyUsage ${keyUsage} is not compatible with KeySpec ${keySpec}`,
    );
  }
  checkTags(tags, limits);
  if (keyring.count() >= limits.keys) {
    throw new exceptions.LimitExceededException(`There are ${limits.keys} keys already, which is the limit.`);
  }
  return { keySpec, keyUsage, spec, usage };
}
