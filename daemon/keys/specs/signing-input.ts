import { createHash } from 'node:crypto';
import { KeyError } from '../errors.js';
import type { KeySpec, MessageType, SigningAlgorithmSpec } from '../../../proto/generated/messages.js';
import type { SigningAlgorithm } from './entry.js';

/**
 * Returns the input of the signing mechanism for a message or digest. Hashing needs no key, so it is done here.
 * @throws KeyError (invalid-request) if the message type is wrong for the algorithm, or the digest has the wrong length
 */
export function signingInput(
  name: SigningAlgorithmSpec,
  { digest }: SigningAlgorithm,
  message: Buffer,
  messageType: MessageType = 'RAW',
  keySpec?: KeySpec,
): Buffer {
  if (messageType !== 'RAW' && (messageType !== 'DIGEST' || digest === undefined)) {
    throw new KeyError(
      'invalid-request',
      messageType === 'DIGEST'
        ? `Message type DIGEST is incompatible with algorithm ${name}.`
        : `Message type ${messageType} is incompatible with key spec ${keySpec}.`,
    );
  }
  if (digest === undefined) return message;
  if (messageType === 'DIGEST' && message.length !== digest.length) {
    throw new KeyError('invalid-request', `Digest is invalid length for algorithm ${name}.`);
  }
  const hashed = messageType === 'DIGEST' ? message : createHash(digest.hash).update(message).digest();
  return digest.prefix ? Buffer.concat([digest.prefix, hashed]) : hashed;
}
