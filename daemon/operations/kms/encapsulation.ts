// Encapsulate and Decapsulate. There are no ML-KEM keys until there is a module to test them with. So these operations check
// the permission of the caller and the state of the key, and then refuse.
import { exceptions } from '../../../proto/errors.js';
import { type Key, keySpecs } from '../../keys/index.js';
import { requestAlias } from '../../pipeline/condition-keys.js';
import { type AnyOperation, operation } from '../../pipeline/operation.js';
import { keyIdOrAlias } from '../shared/key-resolvers.js';

const encapsulate = operation({
  name: 'Encapsulate',
  service: 'kms',
  readOnly: true,
  permissions: [
    { action: 'kms:Encapsulate', key: keyIdOrAlias('keyId'), conditionKeys: requestAlias('keyId') },
  ],
  states: 'cryptographic',
  audited: ['keyId', 'encapsulationAlgorithm'],
  handle: ({ key }) => refuse(key),
});

const decapsulate = operation({
  name: 'Decapsulate',
  service: 'kms',
  readOnly: true,
  permissions: [
    { action: 'kms:Decapsulate', key: keyIdOrAlias('keyId'), conditionKeys: requestAlias('keyId') },
  ],
  states: 'cryptographic',
  audited: ['keyId', 'encapsulationAlgorithm'],
  handle: ({ key }) => refuse(key),
});

export const encapsulationOperations: readonly AnyOperation[] = [encapsulate, decapsulate];

/** @throws UnsupportedOperationException */
function refuse({ arn, record }: Key): Promise<never> {
  const message = `${arn} is of spec ${record.keySpec}, and this takes one of ML-KEM: ${keySpecs.ML_KEM_512.unsupported}.`;
  return Promise.reject(new exceptions.UnsupportedOperationException(message));
}
