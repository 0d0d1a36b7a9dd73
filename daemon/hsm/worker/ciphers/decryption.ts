// Decryption, and the one error for all ciphertexts that do not decrypt.
import type { Handle, Mechanism } from 'pkcs11js';
import { HsmError } from '../../key-store.js';
import { meaningOf } from '../../pkcs11/return-values.js';
import { type Ability, passesSelfTest } from '../module-self-test.js';
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
  return classifyDecryptError(token, 'decryption', () => {
    module.C_DecryptInit(session, mechanism, key);
    try {
      return module.C_Decrypt(session, ciphertext, output);
    } catch (error) {
      // No plaintext of an unauthentic message may stay in memory.
      output.fill(0);
      throw error;
    }
  });
}

/**
 * Decrypts or unwraps, and classifies what goes wrong. After an error that may mean the ciphertext or the device, such as
 * CKR_GENERAL_ERROR, the module is self-tested; the ciphertext is blamed only if that passes and a second attempt fails too.
 * @throws HsmError 'invalid-ciphertext'; what the module throws
 */
export function classifyDecryptError<T>(token: Token, ability: Ability, attempt: () => T): T {
  for (let isFirst = true; ; isFirst = false) {
    try {
      return attempt();
    } catch (error) {
      const about = meaningOf(error)?.decrypting;
      if (about === 'invalid' || (about === 'doubtful' && !isFirst)) throw invalidCiphertext();
      if (about !== 'doubtful' || !isThere(token) || !passesSelfTest(token, ability)) throw error;
    }
  }
}

export function invalidCiphertext(): HsmError {
  return new HsmError('invalid-ciphertext', 'The ciphertext does not decrypt under this key and context.');
}
