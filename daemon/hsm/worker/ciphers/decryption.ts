// The one refusal of what does not decrypt.
import type { Handle, Mechanism } from 'pkcs11js';
import { HsmError } from '../../key-store.js';
import { meaningOf } from '../../pkcs11/return-values.js';
import { type Ability, isSound } from '../module-self-test.js';
import { isThere, type Token } from '../token.js';

/**
 * Decrypts.
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
  return blaming(token, 'decryption', () => {
    module.C_DecryptInit(session, mechanism, key);
    try {
      return module.C_Decrypt(session, ciphertext, output);
    } catch (error) {
      // Nothing of what did not authenticate may stay.
      output.fill(0);
      throw error;
    }
  });
}

/**
 * Decrypts or unwraps. What the module fails with for a reason that it does not tell is the ciphertext's fault only where
 * the module then does the same with one that is right, and fails again with this one.
 * @throws HsmError 'invalid-ciphertext'; what the module throws
 */
export function blaming<T>(token: Token, ability: Ability, attempt: () => T): T {
  for (let isFirst = true; ; isFirst = false) {
    try {
      return attempt();
    } catch (error) {
      const about = meaningOf(error)?.decrypting;
      if (about === 'invalid' || (about === 'doubtful' && !isFirst)) throw invalidCiphertext();
      if (about !== 'doubtful' || !isThere(token) || !isSound(token, ability)) throw error;
    }
  }
}

export function invalidCiphertext(): HsmError {
  return new HsmError('invalid-ciphertext', 'The ciphertext does not decrypt under this key and context.');
}
