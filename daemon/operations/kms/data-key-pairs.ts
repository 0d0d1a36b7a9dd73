// GenerateDataKeyPair and GenerateDataKeyPairWithoutPlaintext.
import { exceptions } from '../../../proto/errors.js';
import type { DataKeyPairSpec } from '../../../proto/generated/messages.js';
import type { KeyTemplate } from '../../hsm/key-store.js';
import { encodeBlob } from '../../../proto/formats/ciphertext.js';
import { keySpecs } from '../../keys/index.js';
import { authenticated, symmetricMaterial } from '../shared/ciphertexts.js';
import { requestAlias, symmetricEncryption } from '../../pipeline/condition-keys.js';
import { stopIfDryRun, refuseRecipient } from '../shared/request-parts.js';
import { type AnyOperation, operation } from '../../pipeline/operation.js';
import { keyIdOrAlias } from '../shared/key-resolvers.js';

const generateDataKeyPair = operation({
  name: 'GenerateDataKeyPair',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:GenerateDataKeyPair',
      key: keyIdOrAlias('keyId'),
      encryptionContext: (request) => request.encryptionContext,
      conditionKeys: {
        ...requestAlias('keyId'),
        ...symmetricEncryption,
        'kms:DataKeyPairSpec': ({ request }) => request.keyPairSpec,
      },
    },
  ],
  states: 'cryptographic',
  usage: 'ENCRYPT_DECRYPT',
  encrypts: 'key',
  audited: ['keyId', 'encryptionContext', 'keyPairSpec'],
  async handle({ request, key, services: { stores } }) {
    refuseRecipient(request);
    const { keyPairSpec } = request;
    const { cipherKey, header, materialId } = symmetricMaterial(key, 'data key pair');
    const template = pairTemplate(keyPairSpec);
    const aad = authenticated(header, request.encryptionContext);
    stopIfDryRun(request);
    const { iv, ciphertext, publicKey, privateKey } = await stores
      .of(key)
      .dataKeyPair(cipherKey, aad, template);
    const response = {
      privateKeyCiphertextBlob: encodeBlob(header, iv, ciphertext),
      privateKeyPlaintext: privateKey,
      publicKey,
      keyId: key.arn,
      keyPairSpec,
      keyMaterialId: materialId,
    };
    return { response, keyMaterialId: materialId, secrets: [privateKey] };
  },
});

const generateDataKeyPairWithoutPlaintext = operation({
  name: 'GenerateDataKeyPairWithoutPlaintext',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:GenerateDataKeyPairWithoutPlaintext',
      key: keyIdOrAlias('keyId'),
      encryptionContext: (request) => request.encryptionContext,
      conditionKeys: {
        ...requestAlias('keyId'),
        ...symmetricEncryption,
        'kms:DataKeyPairSpec': ({ request }) => request.keyPairSpec,
      },
    },
  ],
  states: 'cryptographic',
  usage: 'ENCRYPT_DECRYPT',
  encrypts: 'key',
  audited: ['keyId', 'encryptionContext', 'keyPairSpec'],
  async handle({ request, key, services: { stores } }) {
    const { keyPairSpec } = request;
    const { cipherKey, header, materialId } = symmetricMaterial(key, 'data key pair');
    const template = pairTemplate(keyPairSpec);
    const aad = authenticated(header, request.encryptionContext);
    stopIfDryRun(request);
    const { iv, ciphertext, publicKey } = await stores
      .of(key)
      .dataKeyPairWithoutPlaintext(cipherKey, aad, template);
    const response = {
      privateKeyCiphertextBlob: encodeBlob(header, iv, ciphertext),
      publicKey,
      keyId: key.arn,
      keyPairSpec,
      keyMaterialId: materialId,
    };
    return { response, keyMaterialId: materialId };
  },
});

export const dataKeyPairOperations: readonly AnyOperation[] = [
  generateDataKeyPair,
  generateDataKeyPairWithoutPlaintext,
];

/** @throws UnsupportedOperationException */
function pairTemplate(spec: DataKeyPairSpec): KeyTemplate {
  const { dataKeyPair, unsupported } = keySpecs[spec];
  if (dataKeyPair) return dataKeyPair;
  throw new exceptions.UnsupportedOperationException(
    `Data key pairs of spec ${spec} are not available: ${unsupported ?? 'Keyhold makes those of RSA and of elliptic curves'}.`,
  );
}
