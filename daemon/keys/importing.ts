// What goes with what in an import: wrapping algorithms, wrapping keys and key specs.
import { exceptions } from '../../proto/errors.js';
import type { AlgorithmSpec, WrappingKeySpec } from '../../proto/generated/messages.js';
import type { ImportTarget, KeyTemplate, Wrapping } from '../hsm/key-store.js';
import type { KeyRecord } from './record.js';
import { keySpecs } from './specs.js';
import {
  CKA_DECRYPT,
  CKA_MODULUS_BITS,
  CKA_PUBLIC_EXPONENT,
  CKA_UNWRAP,
  CKK_RSA,
  CKM_RSA_PKCS_KEY_PAIR_GEN,
  keyPair,
} from './specs/pkcs11.js';

/** An algorithm, or why there is none. */
const wrappings: Readonly<Record<AlgorithmSpec, Wrapping | string>> = {
  RSAES_OAEP_SHA_1: { hash: 'sha1', aes: false },
  RSAES_OAEP_SHA_256: { hash: 'sha256', aes: false },
  RSA_AES_KEY_WRAP_SHA_1: { hash: 'sha1', aes: true },
  RSA_AES_KEY_WRAP_SHA_256: { hash: 'sha256', aes: true },
  RSAES_PKCS1_V1_5: 'its padding gives attackers an oracle, and AWS KMS withdrew it in October 2023',
  SM2PKE: 'SM2 is in AWS KMS in its China Regions alone, and PKCS #11 has no mechanism for it',
};

const modulusBits: Readonly<Record<WrappingKeySpec, number | undefined>> = {
  RSA_2048: 2_048,
  RSA_3072: 3_072,
  RSA_4096: 4_096,
  SM2: undefined,
};

/** @throws UnsupportedOperationException with the reason */
export function wrappingOf(algorithm: AlgorithmSpec): Wrapping {
  const wrapping = wrappings[algorithm];
  if (typeof wrapping !== 'string') return wrapping;
  throw new exceptions.UnsupportedOperationException(
    `The wrapping algorithm ${algorithm} is not available: ${wrapping}.`,
  );
}

/**
 * How to make a pair that unwraps material for a key.
 * @throws UnsupportedOperationException where the three do not go together, as at AWS KMS
 */
export function wrappingKeyTemplate(
  { keySpec }: KeyRecord,
  algorithm: AlgorithmSpec,
  wrappingKeySpec: WrappingKeySpec,
): KeyTemplate {
  const { hash, aes } = wrappingOf(algorithm);
  const bits = modulusBits[wrappingKeySpec];
  const refuse = (reason: string) => {
    throw new exceptions.UnsupportedOperationException(
      `The wrapping algorithm ${algorithm} with a wrapping key of spec ${wrappingKeySpec} cannot carry material ` +
        `for a key of spec ${keySpec}: ${reason}.`,
    );
  };
  if (bits === undefined) return refuse('SM2 is not available');
  if (!aes && keySpec.startsWith('RSA_'))
    return refuse('RSA private keys are too long for RSAES_OAEP; use RSA_AES_KEY_WRAP_SHA_256');
  if (!aes && keySpec === 'ECC_NIST_P521' && bits === 2_048)
    return refuse('it is too long; use RSA_3072, or RSA_AES_KEY_WRAP_SHA_256');
  const generation = {
    mechanism: CKM_RSA_PKCS_KEY_PAIR_GEN,
    keyType: CKK_RSA,
    parameters: [
      [CKA_MODULUS_BITS, bits],
      [CKA_PUBLIC_EXPONENT, '010001'],
    ],
  } as const;
  const { mechanism, attributes, publicAttributes } = keyPair(generation, { private: CKA_UNWRAP });
  if (hash === 'sha1') return { mechanism, attributes, publicAttributes };
  // For modules whose own OAEP has SHA-1 alone; a wrapped secret is not decrypted where the module unwraps it.
  const decrypting = attributes.map(([type, value]) => [type, type === CKA_DECRYPT || value] as const);
  return { mechanism, attributes: decrypting, publicAttributes };
}

/** What imported material of a key becomes. */
export function importTarget({ keySpec, keyUsage }: Pick<KeyRecord, 'keySpec' | 'keyUsage'>): ImportTarget {
  const { usages, importedLength } = keySpecs[keySpec];
  const { template, mac } = usages[keyUsage]!;
  return { template, secret: importedLength && { ...importedLength, mac: mac && Object.values(mac)[0] } };
}
