// GenerateMac and VerifyMac.
import { exceptions } from '../../../proto/errors.js';
import { algorithmOf } from '../../keys/index.js';
import { requestAlias } from '../../pipeline/condition-keys.js';
import { asBuffer, stopIfDryRun } from '../shared/request-parts.js';
import { type AnyOperation, operation } from '../../pipeline/operation.js';
import { keyIdOrAlias } from '../shared/key-resolvers.js';

const generateMac = operation({
  name: 'GenerateMac',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:GenerateMac',
      key: keyIdOrAlias('keyId'),
      conditionKeys: {
        ...requestAlias('keyId'),
        'kms:MacAlgorithm': ({ request }) => request.macAlgorithm,
      },
    },
  ],
  states: 'cryptographic',
  usage: 'GENERATE_VERIFY_MAC',
  audited: ['keyId', 'macAlgorithm'],
  async handle({ request, key, services: { stores } }) {
    const { macAlgorithm } = request;
    const mechanism = algorithmOf(key, 'mac', macAlgorithm);
    stopIfDryRun(request);
    const mac = await stores.of(key).sign(key.current.objectId, mechanism, 'none', asBuffer(request.message));
    return { response: { mac, macAlgorithm, keyId: key.arn } };
  },
});

const verifyMac = operation({
  name: 'VerifyMac',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:VerifyMac',
      key: keyIdOrAlias('keyId'),
      conditionKeys: {
        ...requestAlias('keyId'),
        'kms:MacAlgorithm': ({ request }) => request.macAlgorithm,
      },
    },
  ],
  states: 'cryptographic',
  usage: 'GENERATE_VERIFY_MAC',
  audited: ['keyId', 'macAlgorithm'],
  async handle({ request, key, services: { stores } }) {
    const { macAlgorithm } = request;
    const mechanism = algorithmOf(key, 'mac', macAlgorithm);
    const [message, mac] = [asBuffer(request.message), asBuffer(request.mac)];
    if (!(await stores.of(key).verify(key.current.objectId, mechanism, 'none', message, mac))) {
      throw new exceptions.KMSInvalidMacException('');
    }
    stopIfDryRun(request);
    return { response: { keyId: key.arn, macValid: true, macAlgorithm } };
  },
});

export const macOperations: readonly AnyOperation[] = [generateMac, verifyMac];
