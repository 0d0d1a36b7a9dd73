// Sign and Verify.
import { exceptions } from '../../../proto/errors.js';
import type { SignRequest } from '../../../proto/generated/messages.js';
import { algorithmOf, type Key, signingInput } from '../../keys/index.js';
import { requestAlias } from '../../pipeline/condition-keys.js';
import { asBuffer, stopIfDryRun } from '../shared/request-parts.js';
import { type AnyOperation, type ConditionKeys, operation } from '../../pipeline/operation.js';
import { keyIdOrAlias } from '../shared/key-resolvers.js';

/** The parameters that Sign and Verify share. */
type SignatureRequest = Pick<SignRequest, 'signingAlgorithm' | 'message' | 'messageType'>;

const ofSignatures: ConditionKeys<SignatureRequest & Pick<SignRequest, 'keyId'>> = {
  ...requestAlias('keyId'),
  'kms:SigningAlgorithm': ({ request }) => request.signingAlgorithm,
  'kms:MessageType': ({ request }) => request.messageType ?? 'RAW',
};

/**
 * The bytes that the HSM signs, and the mechanism.
 * @throws ServiceError, KeyError if key, algorithm and message do not fit together
 */
function inputOf(key: Key, { signingAlgorithm, message, messageType }: SignatureRequest) {
  const algorithm = algorithmOf(key, 'signing', signingAlgorithm);
  const { keySpec } = key.record;
  const data = signingInput(signingAlgorithm, algorithm, asBuffer(message), messageType, keySpec);
  const { mechanism, conversion } = algorithm;
  return { mechanism, conversion, data };
}

const sign = operation({
  name: 'Sign',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:Sign',
      key: keyIdOrAlias('keyId'),
      conditionKeys: ofSignatures,
    },
  ],
  states: 'cryptographic',
  usage: 'SIGN_VERIFY',
  audited: ['keyId', 'messageType', 'signingAlgorithm'],
  async handle({ request, key, services: { stores } }) {
    const { signingAlgorithm } = request;
    const { mechanism, conversion, data } = inputOf(key, request);
    stopIfDryRun(request);
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
      conditionKeys: ofSignatures,
    },
  ],
  states: 'cryptographic',
  usage: 'SIGN_VERIFY',
  usesPublic: true,
  audited: ['keyId', 'messageType', 'signingAlgorithm'],
  async handle({ request, key, services: { stores } }) {
    const { signingAlgorithm } = request;
    const { mechanism, conversion, data } = inputOf(key, request);
    const signature = asBuffer(request.signature);
    const isRight = await stores.of(key).verify(key.current.objectId, mechanism, conversion, data, signature);
    if (!isRight) throw new exceptions.KMSInvalidSignatureException('');
    stopIfDryRun(request);
    return { response: { keyId: key.arn, signatureValid: true, signingAlgorithm } };
  },
});

export const signingOperations: readonly AnyOperation[] = [sign, verify];
