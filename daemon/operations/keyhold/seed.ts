// SeedKey: makes a key with a given id, for development; the command line calls it for each key of a file.
import { isDeepStrictEqual } from 'node:util';
import { exceptions } from '../../../proto/errors.js';
import type { SeedKeyRequest } from '../../../proto/generated/messages.js';
import {
  checkImportable,
  importTarget,
  isRotatable,
  Key,
  keyDefaults,
  type KeyRecord,
  type NewMaterial,
  putAlias,
  putKey,
  rotationFrom,
  usageIn,
} from '../../keys/index.js';
import { checkAliasIsFree, checkAliasName } from '../kms/aliases.js';
import { requestTags } from '../../pipeline/condition-keys.js';
import { checkCreateKey } from '../kms/create-key.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import { keyPolicy } from '../shared/policy-documents.js';

const seedKey = operation({
  name: 'SeedKey',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:SeedKey', conditionKeys: requestTags }],
  audited: [
    'keyId',
    'keySpec',
    'keyUsage',
    'description',
    'enabled',
    'aliases',
    'tags',
    'policy',
    'rotationPeriodInDays',
    'checkOnly',
  ],
  auditedResponse: (response) => response,
  async handle({ request, services }) {
    if (!services.allowSeed) {
      throw new exceptions.UnsupportedOperationException(
        "This Keyhold takes no seeds. For development, write 'allowSeed: true' into its keyhold.yaml and restart it.",
      );
    }
    const { keyring } = services;
    const { keyId, checkOnly = false } = request;
    for (const alias of request.aliases ?? []) checkAliasName(alias);
    const keyArn = keyring.namer.keyArn(keyId);
    const present = keyring.key(keyId);
    if (present) {
      await checkIsAsSeeded(present, request, services);
      return { response: { keyId: keyArn, outcome: 'UNCHANGED' } };
    }
    const record = seededRecord(request, services);
    for (const alias of request.aliases ?? []) checkAliasIsFree(alias, services);
    if (checkOnly) return { response: { keyId: keyArn, outcome: 'CREATED' } };
    const { record: whole, commit, undo } = await withMaterial(record, request, services);
    return {
      response: { keyId: keyArn, outcome: 'CREATED' },
      made: new Key(whole, keyring.namer),
      changes: () => {
        if (keyring.key(keyId)) throw new exceptions.AlreadyExistsException(`${keyArn} exists already.`);
        const { createdAt } = record;
        const aliases = (request.aliases ?? []).map((alias) => {
          checkAliasIsFree(alias, services);
          return putAlias(alias, { targetKeyId: keyId, createdAt, updatedAt: createdAt });
        });
        return [putKey(whole), ...aliases, commit];
      },
      undo,
    };
  },
});

export const seedOperations: readonly AnyOperation[] = [seedKey];

/**
 * The record of a seeded key, still without its material.
 * @throws ValidationException, UnsupportedOperationException, LimitExceededException, TagException
 */
function seededRecord(request: SeedKeyRequest, services: Services): KeyRecord {
  const { keyId, aliases = [], tags = [], description = '', enabled = true, rotationPeriodInDays } = request;
  const { keySpec, keyUsage } = checkCreateKey(request, services);
  const { limits } = services;
  if (aliases.length > limits.aliasesPerKey || new Set(aliases).size < aliases.length) {
    throw new exceptions.LimitExceededException(
      `A key has at most ${limits.aliasesPerKey} aliases, each once.`,
    );
  }
  const createdAt = Date.now() / 1000;
  const record: KeyRecord = {
    ...keyDefaults,
    keyId,
    createdAt,
    description,
    enabled,
    keySpec,
    keyUsage,
    multiRegion: keyId.startsWith('mrk-'),
    origin: request.keyMaterial ? 'EXTERNAL' : 'AWS_KMS',
    ...keyPolicy(request.policy, services.identities),
    tags,
    materials: [],
  };
  if (rotationPeriodInDays === undefined) return record;
  if (!isRotatable(record)) {
    throw new exceptions.UnsupportedOperationException(
      'Only symmetric encryption keys with material of the HSM are rotated automatically.',
    );
  }
  return { ...record, rotation: rotationFrom(createdAt, rotationPeriodInDays) };
}

type Made = NewMaterial & { readonly record: KeyRecord };

/** Generates or imports the material of a key, and puts it into its record. @throws HsmError, StoreError */
async function withMaterial(
  record: KeyRecord,
  { keyMaterial }: SeedKeyRequest,
  services: Services,
): Promise<Made> {
  if (keyMaterial) return withImported(record, keyMaterial, services);
  const made = await services.materials.generate(record);
  return { ...made, record: { ...record, materials: [made.material] } };
}

async function withImported(
  record: KeyRecord,
  keyMaterial: Uint8Array,
  { stores, materials }: Services,
): Promise<Made> {
  checkImportable(stores.main, usageIn(stores.main, record.keySpec, record.keyUsage)!);
  const bytes = Buffer.from(keyMaterial);
  try {
    return await materials.importFirst(record, (id, label) =>
      stores.main.importPlaintext(bytes, id, label, importTarget(record)),
    );
  } finally {
    bytes.fill(0);
    keyMaterial.fill(0);
  }
}

/** Checks that an existing key matches the seed. @throws AlreadyExistsException that lists the differences */
async function checkIsAsSeeded(key: Key, request: SeedKeyRequest, services: Services): Promise<void> {
  const { record } = key;
  const differences: string[] = [];
  const compare = (name: string, actual: unknown, wanted: unknown) => {
    if (wanted === undefined || isDeepStrictEqual(actual, wanted)) return;
    differences.push(`its ${name} is ${JSON.stringify(actual)}, not ${JSON.stringify(wanted)}`);
  };
  if (record.deletion) differences.push('it is pending deletion');
  compare('key spec', record.keySpec, request.keySpec);
  compare('key usage', record.keyUsage, request.keyUsage);
  compare('description', record.description, request.description);
  compare('being enabled', record.enabled, request.enabled);
  compare('rotation period', record.rotation?.periodInDays, request.rotationPeriodInDays);
  compare('policy', parsed(record.policy), request.policy && parsed(request.policy));
  const pairs = (tags: KeyRecord['tags'] | undefined) =>
    tags?.map(({ tagKey, tagValue }) => `${tagKey}=${tagValue}`).sort();
  compare('tags', pairs(record.tags), pairs(request.tags));
  const aliases = [...services.keyring.aliasesOf(record.keyId)].map(({ aliasName }) => aliasName);
  compare('aliases', aliases, request.aliases && [...request.aliases].sort());
  if (request.keyMaterial && !(await hasMaterial(record, request.keyMaterial, services)))
    differences.push('its key material is another one');
  if (differences.length === 0) return;
  throw new exceptions.AlreadyExistsException(
    `${key.arn} is there and differs from the seed: ${differences.join('; ')}.`,
  );
}

/**
 * Whether a key's current material has these bytes. Only the HSM can compare them, so they are imported and removed again.
 */
async function hasMaterial(record: KeyRecord, keyMaterial: Uint8Array, services: Services): Promise<boolean> {
  if (record.origin !== 'EXTERNAL') return false;
  const bare = { ...record, materials: [], pendingMaterial: undefined };
  const { material, undo } = await withImported(bare, keyMaterial, services);
  await undo();
  return material.materialId === record.materials.at(-1)?.materialId;
}

function parsed(policy: string): unknown {
  try {
    return JSON.parse(policy);
  } catch {
    return policy;
  }
}
