// The session keys of a ceremony.
import pkcs11, { type Handle } from 'pkcs11js';
import { curves } from '../curves.js';
import { HsmError } from '../key-store.js';
import { toHsmError } from '../pkcs11/return-values.js';
import type { AskPin, OfficerSession } from './officer-session.js';
import { signingPair, transportKey, wrappingPair } from './templates.js';

/** The PINs of a ceremony. */
export interface CeremonyPins {
  readonly officer: AskPin;
  readonly user: AskPin;
}

/** The handles of a pair. */
export interface KeyPair {
  readonly publicKey: Handle;
  readonly privateKey: Handle;
}

/** Generates a transport key, logged in as the officer. @throws HsmError 'unsupported' */
export function makeTransportKey({ module, session }: OfficerSession): Handle {
  try {
    return module.C_GenerateKey(session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [...transportKey]);
  } catch (error) {
    throw new HsmError(
      'unsupported',
      `The security officer of this module cannot generate a trusted key, so it cannot be linked: ${toHsmError(error).message}`,
    );
  }
}

/** Generates the RSA pair of a ceremony, logged in as the user. */
export function makeWrappingPair({ module, session }: OfficerSession): KeyPair {
  const mechanism = { mechanism: pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN };
  return module.C_GenerateKeyPair(session, mechanism, [...wrappingPair.public], [...wrappingPair.private]);
}

/** Generates the signing pair of a ceremony, logged in as the user. */
export function makeSigningPair({ module, session }: OfficerSession): KeyPair {
  const { public: open, private: secret } = signingPair(curves.prime256v1.parameters);
  return module.C_GenerateKeyPair(session, { mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN }, open, secret);
}
