// Which wrapping algorithms, wrapping keys and key specs can be combined in an import.
import { KeyError } from '../errors.js';
import type { AlgorithmSpec, WrappingKeySpec } from '../../../proto/generated/messages.js';
import type { ImportTarget, KeyTemplate, Wrapping } from '../../hsm/key-store.js';
import type { KeyRecord } from '../record.js';
import { keySpecs } from '../specs/table.js';
import { CKA_DECRYPT, CKA_UNWRAP, keyPair } from '../specs/pkcs11.js';
import { rsaGeneration } from '../specs/rsa.js';

/**
 * The wrappings; undefined where Keyhold does not support one. AWS KMS withdrew RSAES_PKCS1_V1_5, which allows
 * padding-oracle attacks, and has SM2 only in its China Regions.
 */
const wrappings: Readonly<Record<AlgorithmSpec, Wrapping | undefined>> = {
  RSAES_OAEP_SHA_1: { hash: 'sha1', aes: false },
  RSAES_OAEP_SHA_256: { hash: 'sha256', aes: false },
  RSA_AES_KEY_WRAP_SHA_1: { hash: 'sha1', aes: true },
  RSA_AES_KEY_WRAP_SHA_256: { hash: 'sha256', aes: true },
  RSAES_PKCS1_V1_5: undefined,
  SM2PKE: undefined,
};

const modulusBits: Readonly<Record<WrappingKeySpec, number | undefined>> = {
  RSA_2048: 2_048,
  RSA_3072: 3_072,
  RSA_4096: 4_096,
  SM2: undefined,
};

/** Returns the wrapping of an algorithm. @param algorithm one that {@link wrappingKeyTemplate} accepts */
export function wrappingOf(algorithm: AlgorithmSpec): Wrapping {
  return wrappings[algorithm]!;
}

/**
 * Returns the template of a wrapping key pair for imports into a key.
 * @throws KeyError (invalid-request) if the three cannot be combined, as in AWS KMS
 */
export function wrappingKeyTemplate(
  { keySpec }: KeyRecord,
  algorithm: AlgorithmSpec,
  wrappingKeySpec: WrappingKeySpec,
): KeyTemplate {
  const wrapping = wrappings[algorithm];
  const bits = modulusBits[wrappingKeySpec];
  const isTooLong =
    wrapping?.aes === false &&
    (keySpec.startsWith('RSA_') || (keySpec === 'ECC_NIST_P521' && bits === 2_048));
  // AWS KMS allows only RSAES_OAEP for symmetric material; Keyhold allows all algorithms.
  if (!wrapping || bits === undefined || isTooLong) {
    throw new KeyError(
      'invalid-request',
      `Wrapping algorithm ${algorithm} and wrapping key spec ${wrappingKeySpec} cannot be used to import a ${keySpec} key.`,
    );
  }
  const { hash } = wrapping;
  const pair = keyPair(rsaGeneration(bits), { private: CKA_UNWRAP });
  const { mechanism, attributes, publicAttributes } = pair;
  if (hash === 'sha1') return { mechanism, attributes, publicAttributes };
  // The key may decrypt too, for modules whose own OAEP supports only SHA-1. Modules that can unwrap never decrypt with it.
  const decrypting = attributes.map(([type, value]) => [type, type === CKA_DECRYPT || value] as const);
  return { mechanism, attributes: decrypting, publicAttributes };
}

/** Returns how imported material of a key is stored in the HSM. */
export function importTarget({ keySpec, keyUsage }: Pick<KeyRecord, 'keySpec' | 'keyUsage'>): ImportTarget {
  const { usages, importedLength } = keySpecs[keySpec];
  const { template, mac } = usages[keyUsage]!;
  return { template, secret: importedLength && { ...importedLength, mac: mac && Object.values(mac)[0] } };
}
