// ML-DSA (FIPS 204) and ML-KEM (FIPS 203) with the mechanisms of PKCS #11 v3.2.
import type { KeySpecEntry } from './entry.js';
import {
  CKA_DECAPSULATE,
  CKA_ENCAPSULATE,
  CKA_PARAMETER_SET,
  CKA_SIGN,
  CKA_VERIFY,
  CKK_ML_DSA,
  CKK_ML_KEM,
  CKM_ML_KEM,
  CKM_ML_DSA_KEY_PAIR_GEN,
  CKM_ML_KEM_KEY_PAIR_GEN,
  keyPair,
} from './pkcs11.js';

/** Makes the key spec of ML-DSA. @param set parameter set: CKP_ML_DSA_44 (1), CKP_ML_DSA_65 (2) or CKP_ML_DSA_87 (3) */
export function mlDsa(set: number): KeySpecEntry {
  const generation = {
    mechanism: CKM_ML_DSA_KEY_PAIR_GEN,
    keyType: CKK_ML_DSA,
    parameters: [[CKA_PARAMETER_SET, set]],
  } as const;
  const unsupported =
    'ML-DSA needs CKM_ML_DSA_KEY_PAIR_GEN and CKM_ML_DSA of PKCS #11 v3.2; no module that has them was tested yet';
  return {
    usages: {
      SIGN_VERIFY: {
        template: keyPair(generation, { private: CKA_SIGN, public: CKA_VERIFY }),
        unsupported: { ML_DSA_SHAKE_256: unsupported },
      },
    },
    unsupported,
  };
}

/**
 * Makes the key spec of ML-KEM.
 * @param set parameter set: CKP_ML_KEM_512 (1), CKP_ML_KEM_768 (2) or CKP_ML_KEM_1024 (3)
 * @param ciphertextLength bytes (FIPS 203, table 3)
 */
export function mlKem(set: number, ciphertextLength: number): KeySpecEntry {
  const generation = {
    mechanism: CKM_ML_KEM_KEY_PAIR_GEN,
    keyType: CKK_ML_KEM,
    parameters: [[CKA_PARAMETER_SET, set]],
  } as const;
  return {
    usages: {
      ENCAPSULATE_DECAPSULATE: {
        template: keyPair(generation, { private: CKA_DECAPSULATE, public: CKA_ENCAPSULATE }),
        encapsulation: { ML_KEM: { mechanism: { type: CKM_ML_KEM }, ciphertextLength } },
      },
    },
  };
}
