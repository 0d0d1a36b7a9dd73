// Encrypt, Decrypt, ReEncrypt.
import { exceptions, type ServiceError } from '../../../proto/errors.js';
import type { ReEncryptRequest } from '../../../proto/generated/messages.js';
import { asBuffer, refuseRecipient, stopIfDryRun } from '../shared/request-parts.js';
import { type Key, KeyError } from '../../keys/index.js';
import { HsmError } from '../../hsm/key-store.js';
import {
  checkDecryptingKey,
  decryptingSide,
  type EncryptingSide,
  encryptingSide,
  ignoresCiphertext,
} from '../shared/ciphertexts.js';
import { requestAlias } from '../../pipeline/condition-keys.js';
import { type AnyOperation, type ConditionKeys, operation } from '../../pipeline/operation.js';
import {
  keyIdOrAlias,
  ciphertextKey,
  ciphertextMaterial,
  noSuchKeyOrNoAccess,
} from '../shared/key-resolvers.js';

const encrypt = operation({
  name: 'Encrypt',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:Encrypt',
      key: keyIdOrAlias('keyId'),
      encryptionContext: (request) => request.encryptionContext,
      conditionKeys: {
        ...requestAlias('keyId'),
        'kms:EncryptionAlgorithm': ({ request }) => request.encryptionAlgorithm ?? 'SYMMETRIC_DEFAULT',
      },
    },
  ],
  states: 'cryptographic',
  usage: 'ENCRYPT_DECRYPT',
  usesPublic: true,
  encrypts: 'key',
  audited: ['keyId', 'encryptionContext', 'encryptionAlgorithm'],
  async handle({ request, key, services: { stores } }) {
    const side = encryptingSide(key, request.encryptionAlgorithm, request.encryptionContext);
    const plaintext = asBuffer(request.plaintext);
    if (plaintext.length > side.maxPlaintext) throw tooLong(key, side);
    stopIfDryRun(request);
    const ciphertextBlob = side.encode(await stores.of(key).encrypt(side.cipherKey, side.aad, plaintext));
    const response = { ciphertextBlob, keyId: key.arn, encryptionAlgorithm: side.algorithm };
    return { response, keyMaterialId: side.materialId };
  },
});

const decrypt = operation({
  name: 'Decrypt',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:Decrypt',
      key: ciphertextKey('keyId', 'encryptionAlgorithm'),
      material: ciphertextMaterial,
      encryptionContext: (request) => request.encryptionContext,
      conditionKeys: {
        ...requestAlias('keyId'),
        'kms:EncryptionAlgorithm': ({ request }) => request.encryptionAlgorithm ?? 'SYMMETRIC_DEFAULT',
      },
      denied: ({ keyId }) => (keyId === undefined ? noSuchKeyOrNoAccess() : undefined),
      suits: (request, key) => checkDecryptingKey(key, request.encryptionAlgorithm, request),
    },
  ],
  states: 'cryptographic',
  usage: 'ENCRYPT_DECRYPT',
  audited: ['keyId', 'encryptionContext', 'encryptionAlgorithm'],
  async handle({ request, key, services: { stores } }) {
    refuseRecipient(request);
    if (ignoresCiphertext(request)) stopIfDryRun(request);
    const { cipherKey, aad, algorithm, materialId, message, holder } = decryptingSide(
      key,
      request.encryptionAlgorithm,
      request.encryptionContext,
      request,
    );
    const plaintext = await stores.of(holder).decrypt(cipherKey, aad, message);
    if (request.dryRun) plaintext.fill(0);
    stopIfDryRun(request);
    const response = {
      keyId: key.arn,
      plaintext,
      encryptionAlgorithm: algorithm,
      keyMaterialId: materialId,
    };
    return { response, keyMaterialId: materialId, secrets: [plaintext] };
  },
});

/** Whether source and destination are the same key. */
const onSameKey: ConditionKeys<ReEncryptRequest> = {
  'kms:ReEncryptOnSameKey': ({ request, services }) => {
    try {
      const source = ciphertextKey('sourceKeyId', 'sourceEncryptionAlgorithm')(request, services);
      return String(source.arn === services.keyring.find(request.destinationKeyId).arn);
    } catch (error) {
      // The destination does not exist, or not yet: the key of a service is made on its first use.
      if (error instanceof KeyError && error.code === 'not-found') return 'false';
      throw error;
    }
  },
};

const reEncrypt = operation({
  name: 'ReEncrypt',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:ReEncryptFrom',
      key: ciphertextKey('sourceKeyId', 'sourceEncryptionAlgorithm'),
      role: 'source',
      material: ciphertextMaterial,
      encryptionContext: (request) => request.sourceEncryptionContext,
      conditionKeys: {
        ...requestAlias('sourceKeyId'),
        ...onSameKey,
        'kms:EncryptionAlgorithm': ({ request }) => request.sourceEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT',
      },
      denied: ({ sourceKeyId }) => (sourceKeyId === undefined ? noSuchKeyOrNoAccess() : undefined),
      suits: (request, key) => checkDecryptingKey(key, request.sourceEncryptionAlgorithm, request),
    },
    {
      action: 'kms:ReEncryptTo',
      key: keyIdOrAlias('destinationKeyId'),
      role: 'destination',
      encryptionContext: (request) => request.destinationEncryptionContext,
      conditionKeys: {
        ...requestAlias('destinationKeyId'),
        ...onSameKey,
        'kms:EncryptionAlgorithm': ({ request }) =>
          request.destinationEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT',
      },
    },
  ],
  states: 'cryptographic',
  usage: 'ENCRYPT_DECRYPT',
  encrypts: 'destination',
  audited: [
    'sourceKeyId',
    'sourceEncryptionContext',
    'sourceEncryptionAlgorithm',
    'destinationKeyId',
    'destinationEncryptionContext',
    'destinationEncryptionAlgorithm',
  ],
  async handle({ request, source, destination, services: { stores } }) {
    if (ignoresCiphertext(request)) stopIfDryRun(request);
    const from = decryptingSide(
      source,
      request.sourceEncryptionAlgorithm,
      request.sourceEncryptionContext,
      request,
    );
    const to = encryptingSide(
      destination,
      request.destinationEncryptionAlgorithm,
      request.destinationEncryptionContext,
    );
    if (request.dryRun) {
      const plaintext = await stores.of(from.holder).decrypt(from.cipherKey, from.aad, from.message);
      plaintext.fill(0);
      if (plaintext.length > to.maxPlaintext) throw tooLong(destination, to);
      stopIfDryRun(request);
    }
    const made = await stores.reEncrypt(from.holder, from, destination, to).catch((error: unknown) => {
      throw error instanceof HsmError && error.code === 'plaintext-too-long'
        ? tooLong(destination, to)
        : error;
    });
    const response = {
      ciphertextBlob: to.encode(made),
      sourceKeyId: source.arn,
      keyId: destination.arn,
      sourceEncryptionAlgorithm: from.algorithm,
      destinationEncryptionAlgorithm: to.algorithm,
      sourceKeyMaterialId: from.materialId,
      destinationKeyMaterialId: to.materialId,
    };
    return { response, keyMaterialId: to.materialId, sourceKeyMaterialId: from.materialId };
  },
});

export const cryptographicOperations: readonly AnyOperation[] = [encrypt, decrypt, reEncrypt];

function tooLong({ record }: Key, { algorithm, maxPlaintext }: EncryptingSide): ServiceError {
  return new exceptions.ValidationException(
    `Algorithm ${algorithm} and key spec ${record.keySpec} cannot encrypt data larger than ${maxPlaintext} bytes.`,
  );
}
