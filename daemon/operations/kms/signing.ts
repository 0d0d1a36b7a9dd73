// Sign and Verify.
import { exceptions } from '../../../proto/errors.js';
import { algorithmOf, signingInput } from '../../keys/index.js';
import { requestAlias } from '../../pipeline/condition-keys.js';
import { asBuffer, stopIfDryRun } from '../shared/request-parts.js';
import { type AnyOperation, operation } from '../../pipeline/operation.js';
import { keyIdOrAlias } from '../shared/key-resolvers.js';

const sign = operation({
  name: 'Sign',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:Sign',
      key: keyIdOrAlias('keyId'),
      conditionKeys: {
        ...requestAlias('keyId'),
        'kms:SigningAlgorithm': ({ request }) => request.signingAlgorithm,
        'kms:MessageType': ({ request }) => request.messageType ?? 'RAW',
      },
    },
  ],
  states: 'cryptographic',
  usage: 'SIGN_VERIFY',
  audited: ['keyId', 'messageType', 'signingAlgorithm'],
  async handle({ request, key, services: { stores } }) {
    const { signingAlgorithm } = request;
    const algorithm = algorithmOf(key, 'signing', signingAlgorithm);
    const data = signingInput(
      signingAlgorithm,
      algorithm,
      asBuffer(request.message),
      request.messageType,
      key.record.keySpec,
    );
    stopIfDryRun(request);
    const { mechanism, conversion } = algorithm;
    const signature = await stores.of(key).sign(key.current.objectId, mechanism, conversion, data);
    return { response: { keyId: key.arn, signature, signingAlgorithm } };
  },
});

const verify = operation({
  name: 'Verify',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:Verify',
      key: keyIdOrAlias('keyId'),
      conditionKeys: {
        ...requestAlias('keyId'),
        'kms:SigningAlgorithm': ({ request }) => request.signingAlgorithm,
        'kms:MessageType': ({ request }) => request.messageType ?? 'RAW',
      },
    },
  ],
  states: 'cryptographic',
  usage: 'SIGN_VERIFY',
  usesPublic: true,
  audited: ['keyId', 'messageType', 'signingAlgorithm'],
  async handle({ request, key, services: { stores } }) {
    const { signingAlgorithm } = request;
    const algorithm = algorithmOf(key, 'signing', signingAlgorithm);
    const data = signingInput(
      signingAlgorithm,
      algorithm,
      asBuffer(request.message),
      request.messageType,
      key.record.keySpec,
    );
    const { mechanism, conversion } = algorithm;
    const signature = asBuffer(request.signature);
    const isRight = await stores.of(key).verify(key.current.objectId, mechanism, conversion, data, signature);
    if (!isRight) throw new exceptions.KMSInvalidSignatureException('');
    stopIfDryRun(request);
    return { response: { keyId: key.arn, signatureValid: true, signingAlgorithm } };
  },
});

export const signingOperations: readonly AnyOperation[] = [sign, verify];
