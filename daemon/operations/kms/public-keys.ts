// GetPublicKey and DeriveSharedSecret.
import { exceptions } from '../../../proto/errors.js';
import { algorithmOf, algorithmsOf, customerMasterKeySpec } from '../../keys/specs/algorithms.js';
import { readPeerKey } from '../../keys/specs/ecdh-public-key.js';
import { keySpecs } from '../../keys/specs/table.js';
import { requestAlias } from '../../pipeline/condition-keys.js';
import { asBuffer, stopIfDryRun, refuseRecipient } from './cryptographic.js';
import { type AnyOperation, operation } from '../../pipeline/operation.js';
import { keyIdOrAlias } from '../shared/key-resolvers.js';

const getPublicKey = operation({
  name: 'GetPublicKey',
  service: 'kms',
  readOnly: true,
  permissions: [
    { action: 'kms:GetPublicKey', key: keyIdOrAlias('keyId'), conditionKeys: requestAlias('keyId') },
  ],
  states: 'publicKey',
  usesPublic: true,
  audited: ['keyId'],
  async handle({ key, services: { stores } }) {
    const { keySpec, keyUsage } = key.record;
    // AWS KMS sends no message here.
    if (!keySpecs[keySpec].usages[keyUsage]?.template.publicAttributes)
      throw new exceptions.UnsupportedOperationException('');
    const { encryptionAlgorithms, signingAlgorithms, keyAgreementAlgorithms } = algorithmsOf(key);
    const response = {
      keyId: key.arn,
      publicKey: await stores.of(key).publicKey(key.current.objectId),
      customerMasterKeySpec: customerMasterKeySpec(keySpec),
      keySpec,
      keyUsage,
      encryptionAlgorithms,
      signingAlgorithms,
      keyAgreementAlgorithms,
    };
    return { response };
  },
});

const deriveSharedSecret = operation({
  name: 'DeriveSharedSecret',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:DeriveSharedSecret',
      key: keyIdOrAlias('keyId'),
      conditionKeys: {
        ...requestAlias('keyId'),
        'kms:KeyAgreementAlgorithm': ({ request }) => request.keyAgreementAlgorithm,
      },
    },
  ],
  states: 'cryptographic',
  usage: 'KEY_AGREEMENT',
  audited: ['keyId', 'keyAgreementAlgorithm'],
  async handle({ request, key, services: { stores } }) {
    refuseRecipient(request);
    const { keyAgreementAlgorithm } = request;
    const agreement = algorithmOf(key, 'keyAgreement', keyAgreementAlgorithm);
    const point = readPeerKey(asBuffer(request.publicKey), agreement);
    stopIfDryRun(request);
    const sharedSecret = await stores.of(key).deriveSharedSecret(key.current.objectId, point);
    const keyOrigin = key.record.origin;
    const response = { keyId: key.arn, sharedSecret, keyAgreementAlgorithm, keyOrigin };
    return { response, secrets: [sharedSecret] };
  },
});

export const publicKeyOperations: readonly AnyOperation[] = [getPublicKey, deriveSharedSecret];
