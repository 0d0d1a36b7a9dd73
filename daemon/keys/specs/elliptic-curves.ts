// ECDSA and ECDH on curves over prime fields, and Ed25519.
import { id_ecPublicKey } from '@peculiar/asn1-ecc';
import { AsnConvert } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier, SubjectPublicKeyInfo } from '@peculiar/asn1-x509';
import type { SigningAlgorithmSpec } from '../../../proto/generated/messages.js';
import { type Curve, curves } from '../../hsm/curves.js';
import type { Conversion } from '../../hsm/key-store.js';
import type { KeySpecEntry } from './entry.js';
import {
  CKA_DERIVE,
  CKA_EC_PARAMS,
  CKA_SIGN,
  CKA_VERIFY,
  CKK_EC,
  CKK_EC_EDWARDS,
  CKM_ECDH1_DERIVE,
  CKM_ECDSA,
  CKM_EC_EDWARDS_KEY_PAIR_GEN,
  CKM_EC_KEY_PAIR_GEN,
  CKM_EDDSA,
  keyPair,
} from './pkcs11.js';

type CurveName = Exclude<keyof typeof curves, 'ed25519'>;

interface Use {
  readonly algorithm: SigningAlgorithmSpec;
  readonly digest: { readonly hash: string; readonly length: number };
  /** Whether AWS KMS supports key agreement on the curve. */
  readonly keyAgreement: boolean;
}

/** Makes the key spec of a curve over a prime field. */
export function ecc(
  curve: (typeof curves)[CurveName],
  { algorithm, digest, keyAgreement }: Use,
): KeySpecEntry {
  const generation = {
    mechanism: CKM_EC_KEY_PAIR_GEN,
    keyType: CKK_EC,
    parameters: [[CKA_EC_PARAMS, curve.parameters]],
  } as const;
  const conversion: Conversion = `ecdsa-der-${curve.size}`;
  return {
    usages: {
      SIGN_VERIFY: {
        template: keyPair(generation, { private: CKA_SIGN, public: CKA_VERIFY }),
        signing: { [algorithm]: { mechanism: { type: CKM_ECDSA }, conversion, digest } },
      },
      ...(keyAgreement && {
        KEY_AGREEMENT: {
          template: keyPair(generation, { private: CKA_DERIVE }),
          keyAgreement: {
            ECDH: {
              mechanism: CKM_ECDH1_DERIVE,
              curve: curve.name,
              publicKeyPrefix: publicKeyPrefix(curve),
              pointLength: 1 + 2 * curve.size,
            },
          },
        },
      }),
    },
    dataKeyPair: keyPair(generation),
  };
}

/** Returns the DER of a SubjectPublicKeyInfo (RFC 5480, section 2) up to the point. */
function publicKeyPrefix({ parameters, size }: Curve): Buffer {
  const point = new Uint8Array(1 + 2 * size);
  const info = new SubjectPublicKeyInfo({
    algorithm: new AlgorithmIdentifier({
      algorithm: id_ecPublicKey,
      parameters: new Uint8Array(Buffer.from(parameters, 'hex')).buffer,
    }),
    subjectPublicKey: point.buffer,
  });
  return Buffer.from(AsnConvert.serialize(info)).subarray(0, -point.length);
}

const ed25519Generation = {
  mechanism: CKM_EC_EDWARDS_KEY_PAIR_GEN,
  keyType: CKK_EC_EDWARDS,
  parameters: [[CKA_EC_PARAMS, curves.ed25519.parameters]],
} as const;

/** The key spec of Ed25519 (RFC 8032). */
export const ed25519: KeySpecEntry = {
  usages: {
    SIGN_VERIFY: {
      template: keyPair(ed25519Generation, { private: CKA_SIGN, public: CKA_VERIFY }),
      signing: { ED25519_SHA_512: { mechanism: { type: CKM_EDDSA }, conversion: 'none' } },
      unsupported: {
        ED25519_PH_SHA_512: 'Ed25519ph needs CK_EDDSA_PARAMS of PKCS #11 v3.0, which SoftHSM 2.6.1 lacks',
      },
    },
  },
  dataKeyPair: keyPair(ed25519Generation),
};
