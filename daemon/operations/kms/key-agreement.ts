// DeriveSharedSecret.
import { algorithmOf, readPeerKey } from '../../keys/index.js';
import { requestAlias } from '../../pipeline/condition-keys.js';
import { type AnyOperation, operation } from '../../pipeline/operation.js';
import { keyIdOrAlias } from '../shared/key-resolvers.js';
import { asBuffer, refuseRecipient, stopIfDryRun } from '../shared/request-parts.js';

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

export const keyAgreementOperations: readonly AnyOperation[] = [deriveSharedSecret];
