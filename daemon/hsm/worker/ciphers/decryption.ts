// Decryption, with one error for all ciphertexts that do not decrypt.
import type { Handle, Mechanism } from 'pkcs11js';
import { HsmError } from '../../key-store.js';
import { meaningOf } from '../../pkcs11/return-values.js';
import { type Ability, passesSelfTest } from '../module-self-test.js';
import { isThere, type Token } from '../token.js';

/**
 * Decrypts into a given buffer.
 * @param output at least as long as the module demands
 * @returns the plaintext, a view of `output`
 * @throws HsmError 'invalid-ciphertext' for any fault of the ciphertext; other errors of the module
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
      // No plaintext of an inauthentic message may stay in memory.
      output.fill(0);
      throw error;
    }
  });
}

/**
 * Decrypts or unwraps, and classifies errors. After an error that may concern the ciphertext or the device, such as
 * CKR_GENERAL_ERROR, the module is self-tested; the ciphertext is blamed only if that passes and a second attempt fails too.
 * @throws HsmError 'invalid-ciphertext'; other errors of the module
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

/** Makes the one error for all ciphertexts that do not decrypt. */
export function invalidCiphertext(): HsmError {
  return new HsmError('invalid-ciphertext', 'The ciphertext does not decrypt under this key and context.');
}
