// Project Wycheproof's vectors through a worker. The test puts their keys into the token, since no API imports public
// keys. RSASSA-PSS with a salt of 0 bytes is not an algorithm of AWS KMS; it tests the mechanism's parameters.
//
// "Acceptable" results: a DigestInfo without the NULL parameters (flag MissingNull) is refused, since RFC 8017,
// appendix A.2.4, generates only the one with NULL; ECDH refuses compressed points and encodings other than DER.
import { createPrivateKey } from 'node:crypto';
import { type ITemplate, KeyType, ObjectClass } from 'graphene-pk11';
import t, { type Test } from 'tap';
import type { KeyStore, Mechanism } from '../../daemon/hsm/key-store.js';
import { readPeerKey } from '../../daemon/keys/specs/ecdh-public-key.js';
import { signingInput } from '../../daemon/keys/specs/signing-input.js';
import { keySpecs } from '../../daemon/keys/specs/table.js';
import type { KeySpec, SigningAlgorithmSpec } from '../../proto/generated/messages.js';
import { hasWycheproof, hex, wycheproofGroups, type WycheproofVector } from '../support/vector-files.js';
import { judgeAll, prepare, publicTemplate } from './vectors.js';

const number = (text: string | undefined) => Buffer.from(text ?? '', 'base64url');

/** Attributes of an RSA private key object that decrypts. */
function rsaTemplate(pkcs8: Buffer): ITemplate {
  const jwk = createPrivateKey({ key: pkcs8, type: 'pkcs8', format: 'der' }).export({ format: 'jwk' });
  const { n, e, d, p, q, dp, dq, qi } = jwk;
  return {
    ...{ class: ObjectClass.PRIVATE_KEY, keyType: KeyType.RSA, private: true, decrypt: true },
    ...{ modulus: number(n), publicExponent: number(e), privateExponent: number(d) },
    ...{ prime1: number(p), prime2: number(q), exp1: number(dp), exp2: number(dq), coefficient: number(qi) },
  };
}

/** Runs all vectors at once and reports unexpected results. */
function judge(
  t: Test,
  cases: readonly { vector: WycheproofVector; accepts: (store: KeyStore) => Promise<boolean> }[],
  store: KeyStore,
): Promise<void> {
  const judged = cases.map(({ vector, accepts }) => ({
    name: `${vector.tcId} ${vector.result} ${vector.flags.join()} ${vector.comment}`,
    isValid: vector.result === 'valid',
    accepts,
  }));
  return judgeAll(t, judged, store);
}

const { ECC_NIST_P256, RSA_2048 } = keySpecs;
const signing = (spec: KeySpec, name: SigningAlgorithmSpec, file: string) =>
  [file, name, keySpecs[spec].usages.SIGN_VERIFY!.signing![name]!] as const;
const signatures = [
  signing('ECC_NIST_P256', 'ECDSA_SHA_256', 'ecdsa_secp256r1_sha256'),
  signing('ECC_NIST_P384', 'ECDSA_SHA_384', 'ecdsa_secp384r1_sha384'),
  signing('ECC_NIST_EDWARDS25519', 'ED25519_SHA_512', 'ed25519'),
  signing('RSA_2048', 'RSASSA_PSS_SHA_256', 'rsa_pss_2048_sha256_mgf1_32'),
  signing('RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_256', 'rsa_signature_2048_sha256'),
  signing('RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_512', 'rsa_signature_2048_sha512'),
];
const pss = RSA_2048.usages.SIGN_VERIFY!.signing!.RSASSA_PSS_SHA_256!;
const saltless = { ...pss, mechanism: { ...pss.mechanism, pss: { ...pss.mechanism.pss!, saltLength: 0 } } };
const encryption = {
  rsa_oaep_2048_sha1_mgf1sha1: 'rsa-oaep-sha1',
  rsa_oaep_2048_sha256_mgf1sha256: 'rsa-oaep-sha256',
} as const;
const macs = ([224, 256, 384, 512] as const).map((bits) => {
  const { mac } = keySpecs[`HMAC_${bits}`].usages.GENERATE_VERIFY_MAC!;
  return [`hmac_sha${bits}`, mac![`HMAC_SHA_${bits}`]!] as [string, Mechanism];
});

if (!hasWycheproof) {
  console.error(
    'Wycheproof: 3,000 vectors are skipped, since ../shared/vectors/wycheproof and WYCHEPROOF_DIR are missing.',
  );
  void t.test('Wycheproof', { skip: 'the vectors are missing; WYCHEPROOF_DIR names their folder' }, (t) =>
    t.end(),
  );
} else {
  const all = [...signatures, ['rsa_pss_2048_sha256_mgf1_0', 'RSASSA_PSS_SHA_256', saltless] as const];
  void t.test('signatures', async (t) => {
    const { put, connect } = prepare(t);
    const cases = all.map(([file, name, algorithm]) => ({
      file,
      cases: wycheproofGroups(file).flatMap((group) => {
        const id = put(publicTemplate(hex(group.publicKeyDer)));
        return group.tests.map((vector) => ({
          vector,
          accepts: async (store: KeyStore) => {
            const data = signingInput(name, algorithm, hex(vector.msg));
            const signature = hex(vector.sig);
            // The schema requires at least one byte.
            if (signature.length === 0) return false;
            return await store.verify(id, algorithm.mechanism, algorithm.conversion, data, signature);
          },
        }));
      }),
    }));
    const store = await connect();
    for (const { file, cases: each } of cases) await t.test(file, (t) => judge(t, each, store));
  });

  void t.test('MACs', async (t) => {
    const { put, connect } = prepare(t);
    const cases = macs.map(([file, mechanism]) => ({
      file,
      cases: wycheproofGroups(file)
        // Like AWS KMS, Keyhold has no truncated MACs.
        .filter(({ tests, tagSize }) => tests[0] && tagSize === Number(file.slice(8)))
        .flatMap(({ tests }) =>
          tests.map((vector) => {
            const id = put({
              class: ObjectClass.SECRET_KEY,
              keyType: KeyType.GENERIC_SECRET,
              sign: true,
              verify: true,
              value: hex(vector.key),
            });
            return {
              vector,
              key: hex(vector.key).length,
              accepts: async (store: KeyStore) => {
                const right = await store.verify(id, mechanism, 'none', hex(vector.msg), hex(vector.tag));
                const made = await store.sign(id, mechanism, 'none', hex(vector.msg));
                if (right !== made.equals(hex(vector.tag)))
                  throw new Error(`sign and verify differ: ${vector.tcId}`);
                return right;
              },
            };
          }),
        ),
    }));
    const store = await connect();
    for (const { file, cases: each } of cases)
      await t.test(file, (t) =>
        judge(
          t,
          // SoftHSM refuses keys shorter than the hash, which no key spec has.
          each.filter(({ key }) => key >= Number(file.slice(8)) / 8),
          store,
        ),
      );
  });

  void t.test('decryption', async (t) => {
    const { put, connect } = prepare(t);
    const cases = Object.entries(encryption).map(([file, suite]) => ({
      file,
      cases: wycheproofGroups(file).flatMap((group) => {
        const id = put(rsaTemplate(hex(group.privateKeyPkcs8)));
        return group.tests
          .filter(({ label }) => label === '')
          .map((vector) => ({
            vector,
            accepts: async (store: KeyStore) => {
              const message = { iv: Buffer.alloc(0), ciphertext: hex(vector.ct) };
              const opened = await store
                .decrypt({ suite, id }, Buffer.alloc(0), message)
                .catch((error: { code: string }) => {
                  if (error.code !== 'invalid-ciphertext') throw error;
                  return undefined;
                });
              return opened?.equals(hex(vector.msg)) === true;
            },
          }));
      }),
    }));
    const store = await connect();
    for (const { file, cases: each } of cases) await t.test(file, (t) => judge(t, each, store));
  });

  void t.test('key agreement', async (t) => {
    const { put, connect } = prepare(t);
    const agreement = ECC_NIST_P256.usages.KEY_AGREEMENT!.keyAgreement!.ECDH!;
    const read = (vector: WycheproofVector) => {
      try {
        return readPeerKey(hex(vector.public), agreement);
      } catch {
        return undefined;
      }
    };
    const cases = wycheproofGroups('ecdh_secp256r1')
      .filter(({ encoding }) => encoding === 'asn')
      .flatMap(({ tests }) =>
        tests.map((vector) => {
          const point = read(vector);
          const value = hex(vector.private);
          const id = put({
            class: ObjectClass.PRIVATE_KEY,
            keyType: KeyType.EC,
            private: true,
            derive: true,
            paramsEC: hex('06082a8648ce3d030107'),
            value: value.subarray(-32),
          });
          return {
            vector,
            accepts: async (store: KeyStore) => {
              if (point === undefined) return false;
              return (await store.deriveSharedSecret(id, point)).equals(hex(vector.shared));
            },
          };
        }),
      );
    await judge(t, cases, await connect());
  });
}
