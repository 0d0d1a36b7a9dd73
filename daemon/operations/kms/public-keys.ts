// GetPublicKey.
import { exceptions } from '../../../proto/errors.js';
import { algorithmsOf, customerMasterKeySpec, keySpecs } from '../../keys/index.js';
import { requestAlias } from '../../pipeline/condition-keys.js';
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
    const { encryptionAlgorithms, signingAlgorithms, keyAgreementAlgorithms, encapsulationAlgorithms } =
      algorithmsOf(key);
    const response = {
      keyId: key.arn,
      publicKey: await stores.of(key).publicKey(key.current.objectId),
      customerMasterKeySpec: customerMasterKeySpec(keySpec),
      keySpec,
      keyUsage,
      encryptionAlgorithms,
      signingAlgorithms,
      keyAgreementAlgorithms,
      encapsulationAlgorithms,
    };
    return { response };
  },
});

export const publicKeyOperations: readonly AnyOperation[] = [getPublicKey];
