// Encapsulate and Decapsulate: ML-KEM (FIPS 203). Both halves are used in the HSM, and the private one never leaves it.
import { exceptions } from '../../../proto/errors.js';
import { algorithmOf } from '../../keys/index.js';
import { requestAlias } from '../../pipeline/condition-keys.js';
import { type AnyOperation, operation } from '../../pipeline/operation.js';
import { keyIdOrAlias } from '../shared/key-resolvers.js';
import { asBuffer, stopIfDryRun } from '../shared/request-parts.js';

const encapsulate = operation({
  name: 'Encapsulate',
  service: 'kms',
  readOnly: true,
  permissions: [
    { action: 'kms:Encapsulate', key: keyIdOrAlias('keyId'), conditionKeys: requestAlias('keyId') },
  ],
  states: 'cryptographic',
  usage: 'ENCAPSULATE_DECAPSULATE',
  audited: ['keyId', 'encapsulationAlgorithm'],
  async handle({ request, key, services: { stores } }) {
    const { encapsulationAlgorithm } = request;
    const { mechanism } = algorithmOf(key, 'encapsulation', encapsulationAlgorithm);
    stopIfDryRun(request);
    const { objectId } = key.current;
    const { ciphertext, secret } = await stores.of(key).encapsulate(objectId, mechanism);
    const response = {
      keyId: key.arn,
      sharedSecret: secret,
      sharedSecretCiphertextBlob: ciphertext,
      encapsulationAlgorithm,
    };
    return { response, secrets: [secret] };
  },
});

const decapsulate = operation({
  name: 'Decapsulate',
  service: 'kms',
  readOnly: true,
  permissions: [
    { action: 'kms:Decapsulate', key: keyIdOrAlias('keyId'), conditionKeys: requestAlias('keyId') },
  ],
  states: 'cryptographic',
  usage: 'ENCAPSULATE_DECAPSULATE',
  audited: ['keyId', 'encapsulationAlgorithm'],
  async handle({ request, key, services: { stores } }) {
    const { encapsulationAlgorithm } = request;
    const { mechanism, ciphertextLength } = algorithmOf(key, 'encapsulation', encapsulationAlgorithm);
    const ciphertext = asBuffer(request.sharedSecretCiphertextBlob);
    // Any other fault of the ciphertext gives another secret, as FIPS 203 demands.
    if (ciphertext.length !== ciphertextLength) throw new exceptions.InvalidCiphertextException('');
    stopIfDryRun(request);
    const { objectId } = key.current;
    const sharedSecret = await stores.of(key).decapsulate(objectId, mechanism, ciphertext);
    const response = { keyId: key.arn, sharedSecret, encapsulationAlgorithm };
    return { response, secrets: [sharedSecret] };
  },
});

export const encapsulationOperations: readonly AnyOperation[] = [encapsulate, decapsulate];
