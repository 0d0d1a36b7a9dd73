// The one refusal of what does not decrypt.
import { HsmError } from '../key-store.js';
import { meaningOf } from './return-values.js';
import { isThere, type Token } from './token.js';

/**
 * Ends a decryption that was begun.
 * @throws HsmError 'invalid-ciphertext' for all that is wrong with the ciphertext
 */
export function decryptInto(token: Token, ciphertext: Buffer, output: Buffer): Buffer {
  try {
    return token.module.C_Decrypt(token.session, ciphertext, output);
  } catch (error) {
    // Nothing of what did not authenticate may stay.
    output.fill(0);
    throw blaming(token, error);
  }
}

/** What a failed decryption or unwrapping is answered with. */
export function blaming(token: Token, error: unknown): unknown {
  const about = meaningOf(error)?.decrypting;
  return about === 'invalid' || (about === 'doubtful' && isThere(token)) ? invalidCiphertext() : error;
}

export function invalidCiphertext(): HsmError {
  return new HsmError('invalid-ciphertext', 'The ciphertext does not decrypt under this key and context.');
}
