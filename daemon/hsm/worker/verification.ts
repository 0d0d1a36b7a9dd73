// Verification of signatures and MACs in the HSM, including the comparison of MACs.
import type { Handle, Mechanism } from 'pkcs11js';
import { HsmError } from '../key-store.js';
import { meaningOf } from '../pkcs11/return-values.js';
import type { Token } from './token.js';

/**
 * Verifies a signature or MAC.
 * @param signature in PKCS#11's form, at least 1 byte: SoftHSM leaves the operation active after an empty one
 * @returns whether it is valid
 */
export function verify(
  { module, session }: Token,
  key: Handle,
  mechanism: Mechanism,
  data: Buffer,
  signature: Buffer,
): boolean {
  if (signature.length === 0) throw new HsmError('internal', 'The signature is empty');
  module.C_VerifyInit(session, mechanism, key);
  try {
    return module.C_Verify(session, data, signature);
  } catch (error) {
    if (meaningOf(error)?.verifying !== 'wrong') throw error;
    return false;
  }
}
