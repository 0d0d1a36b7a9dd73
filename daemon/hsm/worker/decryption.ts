// The one refusal of what does not decrypt.
import type { Handle, Mechanism } from 'pkcs11js';
import { HsmError } from '../key-store.js';
import { meaningOf } from './return-values.js';
import { isThere, type Token } from './token.js';

/**
 * Decrypts. What the module fails with for a reason that it does not tell is tried once more before the ciphertext is
 * blamed: the device may have failed.
 * @param output room for what the module wants, at least
 * @throws HsmError 'invalid-ciphertext' for all that is wrong with the ciphertext
 */
export function decryptInto(
  token: Token,
  mechanism: Mechanism,
  key: Handle,
  ciphertext: Buffer,
  output: Buffer,
): Buffer {
  const { module, session } = token;
  for (let isFirst = true; ; isFirst = false) {
    module.C_DecryptInit(session, mechanism, key);
    try {
      return module.C_Decrypt(session, ciphertext, output);
    } catch (error) {
      // Nothing of what did not authenticate may stay.
      output.fill(0);
      if (!isFirst || meaningOf(error)?.decrypting !== 'doubtful') throw blaming(token, error);
    }
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
