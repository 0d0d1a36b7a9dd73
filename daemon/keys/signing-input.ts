import { createHash } from 'node:crypto';
import { exceptions } from '../../proto/errors.js';
import type { MessageType, SigningAlgorithmSpec } from '../../proto/generated/messages.js';
import type { SigningAlgorithm } from './specs/entry.js';

/**
 * What the mechanism signs for a message or digest. No key takes part, so the message is hashed here.
 * @throws ValidationException where the message type does not fit the algorithm, or the digest its hash
 */
export function signingInput(
  name: SigningAlgorithmSpec,
  { digest }: SigningAlgorithm,
  message: Buffer,
  messageType: MessageType = 'RAW',
): Buffer {
  if (messageType !== 'RAW' && (messageType !== 'DIGEST' || digest === undefined)) {
    throw new exceptions.ValidationException(
      `MessageType ${messageType} is not compatible with ${name}, which takes RAW${digest ? ' or DIGEST' : ''}.`,
    );
  }
  if (digest === undefined) return message;
  if (messageType === 'DIGEST' && message.length !== digest.length) {
    throw new exceptions.ValidationException(
      `The digest has ${message.length} bytes; with ${name} it has ${digest.length}.`,
    );
  }
  const hashed = messageType === 'DIGEST' ? message : createHash(digest.hash).update(message).digest();
  return digest.prefix ? Buffer.concat([digest.prefix, hashed]) : hashed;
}
