// Sign and Verify.
import { createHash } from 'node:crypto';
import { exceptions } from '../../proto/errors.js';
import type { MessageType, SigningAlgorithmSpec } from '../../proto/generated/messages.js';
import { algorithmOf } from '../keys/algorithms.js';
import type { SigningAlgorithm } from '../keys/specs/entry.js';
import { asBuffer, refuseDryRun } from './cryptographic.js';
import { type AnyOperation, operation } from './operation.js';
import { anyForm } from './resolvers.js';

const sign = operation({
  name: 'Sign',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:Sign', key: anyForm('keyId') }],
  states: 'cryptographic',
  usage: 'SIGN_VERIFY',
  audited: ['keyId', 'messageType', 'signingAlgorithm'],
  async handle(request, [key], { store }) {
    const { signingAlgorithm } = request;
    const algorithm = algorithmOf(key!, 'signing', signingAlgorithm);
    const data = signingInput(signingAlgorithm, algorithm, request);
    refuseDryRun(request);
    const { mechanism, conversion } = algorithm;
    const signature = await store.sign(key!.current.objectId, mechanism, conversion, data);
    return { response: { keyId: key!.arn, signature, signingAlgorithm } };
  },
});

const verify = operation({
  name: 'Verify',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:Verify', key: anyForm('keyId') }],
  states: 'cryptographic',
  usage: 'SIGN_VERIFY',
  audited: ['keyId', 'messageType', 'signingAlgorithm'],
  async handle(request, [key], { store }) {
    const { signingAlgorithm } = request;
    const algorithm = algorithmOf(key!, 'signing', signingAlgorithm);
    const data = signingInput(signingAlgorithm, algorithm, request);
    refuseDryRun(request);
    const { mechanism, conversion } = algorithm;
    const signature = asBuffer(request.signature);
    const isRight = await store.verify(key!.current.objectId, mechanism, conversion, data, signature);
    if (!isRight) {
      throw new exceptions.KMSInvalidSignatureException(
        'The signature is not one of this key over this message with this algorithm and message type.',
      );
    }
    return { response: { keyId: key!.arn, signatureValid: true, signingAlgorithm } };
  },
});

export const signingOperations: readonly AnyOperation[] = [sign, verify];

interface SigningRequest {
  readonly message: Uint8Array;
  readonly messageType?: MessageType;
}

/**
 * What the mechanism signs for a message.
 * @throws ValidationException where the message type does not fit the algorithm, or the digest its hash
 */
function signingInput(
  name: SigningAlgorithmSpec,
  { digest }: SigningAlgorithm,
  { message, messageType = 'RAW' }: SigningRequest,
): Buffer {
  if (messageType !== 'RAW' && (messageType !== 'DIGEST' || digest === undefined)) {
    throw new exceptions.ValidationException(
      `MessageType ${messageType} is not compatible with ${name}, which takes RAW${digest ? ' or DIGEST' : ''}.`,
    );
  }
  if (digest === undefined) return asBuffer(message);
  if (messageType === 'DIGEST' && message.length !== digest.length) {
    throw new exceptions.ValidationException(
      `The digest has ${message.length} bytes; with ${name} it has ${digest.length}.`,
    );
  }
  const hashed =
    messageType === 'DIGEST' ? asBuffer(message) : createHash(digest.hash).update(message).digest();
  return digest.prefix ? Buffer.concat([digest.prefix, hashed]) : hashed;
}
