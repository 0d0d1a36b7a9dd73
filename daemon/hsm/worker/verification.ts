// Signatures and MACs are verified inside the HSM, whose comparison of MACs is its own.
import type { Handle, Mechanism } from 'pkcs11js';
import { HsmError } from '../key-store.js';
import { meaningOf } from '../pkcs11/return-values.js';
import type { Token } from './token.js';

/** @param signature 1 byte or more: SoftHSM refuses an empty one in a way that leaves the operation open */
export function verify(
  { module, session }: Token,
  key: Handle,
  mechanism: Mechanism,
  data: Buffer,
  signature: Buffer,
): boolean {
  if (signature.length === 0) throw new HsmError('internal', 'A signature of no bytes');
  module.C_VerifyInit(session, mechanism, key);
  try {
    return module.C_Verify(session, data, signature);
  } catch (error) {
    if (meaningOf(error)?.verifying !== 'wrong') throw error;
    return false;
  }
}
