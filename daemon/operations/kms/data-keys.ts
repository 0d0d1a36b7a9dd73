// GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateRandom.
import { exceptions } from '../../../proto/errors.js';
import type { DataKeySpec } from '../../../proto/generated/messages.js';
import { encodeBlob } from '../../../proto/formats/ciphertext.js';
import { authenticated, symmetricMaterial } from '../shared/ciphertexts.js';
import { requestAlias, symmetricEncryption } from '../../pipeline/condition-keys.js';
import { stopIfDryRun, refuseRecipient } from '../shared/request-parts.js';
import { type AnyOperation, operation } from '../../pipeline/operation.js';
import { keyIdOrAlias } from '../shared/key-resolvers.js';

const generateDataKey = operation({
  name: 'GenerateDataKey',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:GenerateDataKey',
      key: keyIdOrAlias('keyId'),
      encryptionContext: (request) => request.encryptionContext,
      conditionKeys: {
        ...requestAlias('keyId'),
        ...symmetricEncryption,
      },
    },
  ],
  states: 'cryptographic',
  usage: 'ENCRYPT_DECRYPT',
  encrypts: 'key',
  audited: ['keyId', 'encryptionContext', 'keySpec', 'numberOfBytes'],
  async handle({ request, key, services: { stores } }) {
    refuseRecipient(request);
    const length = dataKeyLength(request);
    const { cipherKey, header, materialId } = symmetricMaterial(key, 'data key');
    const aad = authenticated(header, request.encryptionContext);
    stopIfDryRun(request);
    const { iv, ciphertext, plaintext } = await stores.of(key).dataKey(cipherKey, aad, length);
    const ciphertextBlob = encodeBlob(header, iv, ciphertext);
    const response = { ciphertextBlob, plaintext, keyId: key.arn, keyMaterialId: materialId };
    return { response, keyMaterialId: materialId, secrets: [plaintext] };
  },
});

const generateDataKeyWithoutPlaintext = operation({
  name: 'GenerateDataKeyWithoutPlaintext',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:GenerateDataKeyWithoutPlaintext',
      key: keyIdOrAlias('keyId'),
      encryptionContext: (request) => request.encryptionContext,
      conditionKeys: {
        ...requestAlias('keyId'),
        ...symmetricEncryption,
      },
    },
  ],
  states: 'cryptographic',
  usage: 'ENCRYPT_DECRYPT',
  encrypts: 'key',
  audited: ['keyId', 'encryptionContext', 'keySpec', 'numberOfBytes'],
  async handle({ request, key, services: { stores } }) {
    const length = dataKeyLength(request);
    const { cipherKey, header, materialId } = symmetricMaterial(key, 'data key');
    const aad = authenticated(header, request.encryptionContext);
    stopIfDryRun(request);
    const { iv, ciphertext } = await stores.of(key).dataKeyWithoutPlaintext(cipherKey, aad, length);
    const response = {
      ciphertextBlob: encodeBlob(header, iv, ciphertext),
      keyId: key.arn,
      keyMaterialId: materialId,
    };
    return { response, keyMaterialId: materialId };
  },
});

const generateRandom = operation({
  name: 'GenerateRandom',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:GenerateRandom' }],
  audited: ['numberOfBytes', 'customKeyStoreId'],
  async handle({ request, services: { stores } }) {
    refuseRecipient(request);
    if (request.numberOfBytes === undefined) {
      throw new exceptions.ValidationException('NumberOfBytes is required.');
    }
    const plaintext = await stores.named(request.customKeyStoreId).random(request.numberOfBytes);
    return { response: { plaintext }, secrets: [plaintext] };
  },
});

export const dataKeyOperations: readonly AnyOperation[] = [
  generateDataKey,
  generateDataKeyWithoutPlaintext,
  generateRandom,
];

const dataKeyLengths: Readonly<Record<DataKeySpec, number>> = { AES_128: 16, AES_256: 32 };

/** @returns bytes. @throws ValidationException unless exactly one of the two is given */
function dataKeyLength(request: { readonly keySpec?: DataKeySpec; readonly numberOfBytes?: number }): number {
  const { keySpec, numberOfBytes } = request;
  const length = keySpec === undefined ? numberOfBytes : dataKeyLengths[keySpec];
  if (length === undefined || (keySpec !== undefined && numberOfBytes !== undefined)) {
    throw new exceptions.ValidationException('Please specify either number of bytes or key spec.');
  }
  return length;
}
