// RSA with public exponent 65537: RSASSA-PSS, RSASSA-PKCS1-v1_5 and RSAES-OAEP (RFC 8017).
import { DigestInfo } from '@peculiar/asn1-rsa';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import type { RsaCipher } from '../../hsm/key-store.js';
import type { Digest, EncryptionAlgorithm, KeySpecEntry, SigningAlgorithm } from './entry.js';
import {
  CKA_DECRYPT,
  CKA_ENCRYPT,
  CKA_MODULUS_BITS,
  CKA_PUBLIC_EXPONENT,
  CKA_SIGN,
  CKA_VERIFY,
  CKG_MGF1_SHA256,
  CKG_MGF1_SHA384,
  CKG_MGF1_SHA512,
  CKK_RSA,
  CKM_RSA_PKCS,
  CKM_RSA_PKCS_KEY_PAIR_GEN,
  CKM_RSA_PKCS_OAEP,
  CKM_RSA_PKCS_PSS,
  CKM_RSA_X_509,
  CKM_SHA256,
  CKM_SHA384,
  CKM_SHA512,
  keyPair,
} from './pkcs11.js';

const sha256 = { hash: 'sha256', length: 32 };
const sha384 = { hash: 'sha384', length: 48 };
const sha512 = { hash: 'sha512', length: 64 };

const signing = {
  RSASSA_PSS_SHA_256: pss(sha256, CKM_SHA256, CKG_MGF1_SHA256),
  RSASSA_PSS_SHA_384: pss(sha384, CKM_SHA384, CKG_MGF1_SHA384),
  RSASSA_PSS_SHA_512: pss(sha512, CKM_SHA512, CKG_MGF1_SHA512),
  RSASSA_PKCS1_V1_5_SHA_256: pkcs1(sha256, '2.16.840.1.101.3.4.2.1'),
  RSASSA_PKCS1_V1_5_SHA_384: pkcs1(sha384, '2.16.840.1.101.3.4.2.2'),
  RSASSA_PKCS1_V1_5_SHA_512: pkcs1(sha512, '2.16.840.1.101.3.4.2.3'),
};

/** Returns how to generate a pair with the public exponent 65,537. @param bits length of the modulus */
export function rsaGeneration(bits: number) {
  return {
    mechanism: CKM_RSA_PKCS_KEY_PAIR_GEN,
    keyType: CKK_RSA,
    parameters: [
      [CKA_MODULUS_BITS, bits],
      [CKA_PUBLIC_EXPONENT, '010001'],
    ],
  } as const;
}

/** Makes a key spec of RSA. @param bits length of the modulus */
export function rsa(bits: number): KeySpecEntry {
  const generation = rsaGeneration(bits);
  // RFC 8017, section 7.1.1, step 1b.
  const oaep = (mechanism: number, cipher: RsaCipher, hashLength: number): EncryptionAlgorithm => ({
    mechanism,
    mechanismInModule: CKM_RSA_PKCS_OAEP,
    cipher,
    maxPlaintext: bits / 8 - 2 * hashLength - 2,
    ciphertextLength: bits / 8,
  });
  return {
    usages: {
      ENCRYPT_DECRYPT: {
        template: keyPair(generation, { private: CKA_DECRYPT, public: CKA_ENCRYPT }),
        encryption: {
          RSAES_OAEP_SHA_1: oaep(CKM_RSA_PKCS_OAEP, 'rsa-oaep-sha1', 20),
          // The worker removes the padding, because SoftHSM 2.6.1 supports OAEP only with SHA-1.
          RSAES_OAEP_SHA_256: oaep(CKM_RSA_X_509, 'rsa-oaep-sha256', 32),
        },
      },
      SIGN_VERIFY: { template: keyPair(generation, { private: CKA_SIGN, public: CKA_VERIFY }), signing },
    },
    dataKeyPair: keyPair(generation),
  };
}

/** The salt is as long as the hash, as in AWS KMS. */
function pss(digest: Digest, hash: number, mgf: number): SigningAlgorithm {
  const mechanism = { type: CKM_RSA_PKCS_PSS, pss: { hash, mgf, saltLength: digest.length } };
  return { mechanism, conversion: 'none', digest };
}

/** EMSA-PKCS1-v1_5 (RFC 8017, section 9.2): CKM_RSA_PKCS adds the padding, but not DigestInfo. */
function pkcs1({ hash, length }: Digest, identifier: string): SigningAlgorithm {
  const info = new DigestInfo({
    digestAlgorithm: new AlgorithmIdentifier({ algorithm: identifier, parameters: null }),
    digest: new OctetString(new Uint8Array(length)),
  });
  const prefix = Buffer.from(AsnConvert.serialize(info)).subarray(0, -length);
  return { mechanism: { type: CKM_RSA_PKCS }, conversion: 'none', digest: { hash, length, prefix } };
}
