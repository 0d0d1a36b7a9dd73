// GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial.
import { exceptions } from '../../../proto/errors.js';
import type { ImportKeyMaterialRequest } from '../../../proto/generated/messages.js';
import type { ObjectId } from '../../hsm/key-store.js';
import {
  checkNoReplica,
  finishDestruction,
  generateMaterial,
  importParametersValid,
  importTarget,
  intendDestruction,
  type Key,
  type KeyRecord,
  materialsOf,
  openToken,
  putKey,
  putWrappingKey,
  sealToken,
  withoutMaterial,
  wrappingKeyNames,
  wrappingKeyTemplate,
  wrappingOf,
} from '../../keys/index.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import { keyIdOrArn } from '../shared/key-resolvers.js';

const secondsPerDay = 86_400;
const longestValidity = 365 * secondsPerDay;
const defaultExpiration = 'KEY_MATERIAL_EXPIRES';

const getParametersForImport = operation({
  name: 'GetParametersForImport',
  service: 'kms',
  readOnly: false,
  permissions: [
    {
      action: 'kms:GetParametersForImport',
      key: keyIdOrArn('keyId'),
      conditionKeys: {
        'kms:WrappingAlgorithm': ({ request }) => request.wrappingAlgorithm,
        'kms:WrappingKeySpec': ({ request }) => request.wrappingKeySpec,
      },
    },
  ],
  states: 'importMaterial',
  audited: ['keyId', 'wrappingAlgorithm', 'wrappingKeySpec'],
  async handle({ request: { wrappingAlgorithm: algorithm, wrappingKeySpec }, key, services }) {
    const { keyId } = checkImported(key).record;
    const { records, stores, internalKeys } = services;
    const template = wrappingKeyTemplate(key.record, algorithm, wrappingKeySpec);
    checkWrappingKeys(keyId, services);
    const store = stores.of(key);
    const pair = await generateMaterial(records, store, `keyhold/wrapping/${keyId}`, template);
    try {
      const objectId = pair.objectId.toString('hex');
      const expiresAt = Math.floor(Date.now() / 1000) + importParametersValid;
      const stored = { objectId, algorithm, wrappingKeySpec, expiresAt };
      const { pairId, change } = putWrappingKey(keyId, stored);
      const token = { keyId, pairId, algorithm, wrappingKeySpec, expiresAt };
      const response = {
        keyId: key.arn,
        importToken: await sealToken(stores.main, internalKeys['import-tokens'], token),
        publicKey: await store.publicKey(pair.objectId),
        parametersValidTo: expiresAt,
      };
      const changes = () => {
        checkWrappingKeys(keyId, services);
        return [change, pair.commit];
      };
      return { response, changes, undo: () => pair.undo() };
    } catch (error) {
      await pair.undo();
      throw error;
    }
  },
});

const importKeyMaterial = operation({
  name: 'ImportKeyMaterial',
  service: 'kms',
  readOnly: false,
  permissions: [
    {
      action: 'kms:ImportKeyMaterial',
      key: keyIdOrArn('keyId'),
      conditionKeys: {
        'kms:ExpirationModel': ({ request }) => request.expirationModel ?? defaultExpiration,
        'kms:ValidTo': ({ request }) => (request.validTo === undefined ? undefined : String(request.validTo)),
      },
    },
  ],
  states: 'importMaterial',
  audited: ['keyId', 'validTo', 'expirationModel', 'importType', 'keyMaterialDescription', 'keyMaterialId'],
  auditedResponse: (response) => response,
  async handle({ request, key, services }) {
    const { record } = checkImported(key);
    if (request.importType === 'NEW_KEY_MATERIAL') checkNoReplica(key);
    checkRequest(request, key);
    const { records, stores, internalKeys } = services;
    const { keyId } = record;
    const sealed = Buffer.from(request.importToken);
    const pair = await openToken(stores.main, internalKeys['import-tokens'], records, sealed, keyId);
    const store = stores.of(key);
    const perform = (id: ObjectId, label: string) =>
      store.importWrapped(
        Buffer.from(pair.objectId, 'hex'),
        wrappingOf(pair.algorithm),
        Buffer.from(request.encryptedKeyMaterial),
        id,
        label,
        importTarget(record),
      );
    const { materialId, ...change } = await services.materials.prepareImport(key, perform, {
      validTo: request.validTo,
      importType: request.importType,
      expectedId: request.keyMaterialId,
      description: request.keyMaterialDescription,
    });
    const response = { keyId: key.arn, keyMaterialId: shownId(record, materialId) };
    return { response, keyMaterialId: materialId, ...change };
  },
});

const deleteImportedKeyMaterial = operation({
  name: 'DeleteImportedKeyMaterial',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:DeleteImportedKeyMaterial', key: keyIdOrArn('keyId') }],
  states: 'deleteMaterial',
  audited: ['keyId', 'keyMaterialId'],
  auditedResponse: (response) => response,
  handle({ request: { keyMaterialId }, key, services: { keyring, records, stores } }) {
    const { record, arn } = checkImported(key);
    const wanted = keyMaterialId ?? record.materials.at(-1)?.materialId;
    const find = (now: Key) => materialsOf(now.record).find(({ materialId }) => materialId === wanted);
    if (keyMaterialId !== undefined && !find(key)) {
      throw new exceptions.ValidationException(
        `Key material (id: ${keyMaterialId}) has never been imported into KMS key ${arn}.`,
      );
    }
    let destroyed: string | undefined;
    const changes = () => {
      const now = keyring.existing(record.keyId);
      const material = find(now);
      if (!material?.imported?.present) return [];
      destroyed = material.objectId;
      return [putKey(withoutMaterial(now.record, material.materialId)), intendDestruction(destroyed)];
    };
    return {
      response: { keyId: arn, keyMaterialId: shownId(record, wanted) },
      keyMaterialId: wanted,
      changes,
      finish: async () => {
        if (destroyed !== undefined) await finishDestruction(records, stores.of(key), destroyed);
      },
    };
  },
});

export const importOperations: readonly AnyOperation[] = [
  getParametersForImport,
  importKeyMaterial,
  deleteImportedKeyMaterial,
];

/** Only symmetric encryption keys show the ids of their materials. */
function shownId({ keySpec }: KeyRecord, materialId: string | undefined): string | undefined {
  return keySpec === 'SYMMETRIC_DEFAULT' ? materialId : undefined;
}

/** @throws UnsupportedOperationException for a key whose material the HSM makes */
function checkImported(key: Key): Key {
  if (key.record.origin === 'EXTERNAL') return key;
  throw new exceptions.UnsupportedOperationException(
    `${key.arn} origin is ${key.record.origin} which is not valid for this operation.`,
  );
}

/** @throws LimitExceededException */
function checkWrappingKeys(keyId: string, { records, limits }: Services): void {
  const { wrappingKeysPerKey: limit } = limits;
  if (wrappingKeyNames(records, keyId).length < limit) return;
  throw new exceptions.LimitExceededException(
    `Key ${keyId} has ${limit} wrapping keys already, which is the limit. Use one of them with its import token, as ` +
      'often as needed, or wait: each is destroyed 24 hours after it was made.',
  );
}

/** @throws ValidationException */
function checkRequest(request: ImportKeyMaterialRequest, key: Key): void {
  const { expirationModel = defaultExpiration, validTo, importType, keyMaterialId } = request;
  const invalid = (message: string) => new exceptions.ValidationException(message);
  if (expirationModel === 'KEY_MATERIAL_DOES_NOT_EXPIRE') {
    if (validTo !== undefined)
      throw invalid('A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE');
  } else if (validTo === undefined) {
    throw invalid('A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES');
  } else {
    const now = Date.now() / 1000;
    if (validTo <= now) throw invalid('ValidTo must be in the future');
    if (validTo > now + longestValidity) throw invalid('ValidTo must be less than 365 days in the future');
  }
  const ofSymmetricKeys = ['importType', 'keyMaterialId', 'keyMaterialDescription'] as const;
  const { keySpec } = key.record;
  const given = ofSymmetricKeys.find((name) => request[name] !== undefined);
  if (keySpec !== 'SYMMETRIC_DEFAULT' && given !== undefined)
    throw invalid(`Input parameter ${given} cannot be used with ${keySpec} imported keys.`);
  if (importType === 'NEW_KEY_MATERIAL' && keyMaterialId !== undefined)
    throw invalid('Input parameter keyMaterialId cannot be used with NEW_KEY_MATERIAL importType.');
}
