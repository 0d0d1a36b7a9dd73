// Vectors of NIST's CAVP and of RFC 4231 from Debian's python3-cryptography-vectors, run through a worker.
import { createHash, createPublicKey } from 'node:crypto';
import { KeyType, ObjectClass } from 'graphene-pk11';
import t from 'tap';
import type { Conversion, KeyStore } from '../../daemon/hsm/key-store.js';
import { conversions } from '../../daemon/hsm/worker/conversions.js';
import { readPeerKey } from '../../daemon/keys/specs/ecdh-public-key.js';
import { signingInput } from '../../daemon/keys/specs/signing-input.js';
import { keySpecs } from '../../daemon/keys/specs/table.js';
import type { KeySpec, SigningAlgorithmSpec } from '../../proto/generated/messages.js';
import {
  hasNistVectors,
  hex,
  nistFolder,
  nistRecords,
  type NistVector,
  padded,
} from '../support/vector-files.js';
import { type Case, judgeAll, prepare, publicTemplate } from './vectors.js';

const stripped = (text: string | undefined) => {
  const digits = (text ?? '').replace(/^(00)+/, '');
  return hex(digits.padStart(digits.length + (digits.length % 2), '0'));
};

const nameOf = ({ headings, line, values }: NistVector) =>
  `${headings.join(' ')}, before line ${line}: ${values.Result ?? ''}`;

const signing = (spec: KeySpec, name: SigningAlgorithmSpec) =>
  keySpecs[spec].usages.SIGN_VERIFY!.signing![name]!;

if (!hasNistVectors) {
  console.error(
    `NIST's vectors are skipped, since ${nistFolder} is missing: install python3-cryptography-vectors.`,
  );
  void t.test('NIST', { skip: 'the vectors are missing: install python3-cryptography-vectors' }, (t) =>
    t.end(),
  );
} else {
  void t.test('AES-GCM with keys of 256 bits, IVs of 96 and tags of 128', async (t) => {
    const { put, connect } = prepare(t);
    const cases = nistRecords('ciphers', 'AES', 'GCM', 'gcmDecrypt256.rsp')
      .filter(({ headings }) => headings.includes('IVlen = 96') && headings.includes('Taglen = 128'))
      .map((record): Case => {
        const { Key, IV, CT, AAD, Tag, PT, FAIL } = record.values;
        const id = put({
          class: ObjectClass.SECRET_KEY,
          keyType: KeyType.AES,
          decrypt: true,
          value: hex(Key),
        });
        const message = { iv: hex(IV), ciphertext: Buffer.concat([hex(CT), hex(Tag)]) };
        return {
          name: nameOf(record),
          isValid: FAIL === undefined,
          accepts: async (store) => {
            const opened = await store
              .decrypt({ suite: 1, id }, hex(AAD), message)
              .catch((error: { code: string }) => {
                if (error.code !== 'invalid-ciphertext') throw error;
                return undefined;
              });
            return opened?.equals(hex(PT)) === true;
          },
        };
      });
    await judgeAll(t, cases, await connect(), 300);
  });

  void t.test('ECDSA', async (t) => {
    const { put, connect } = prepare(t);
    const curves = [
      ['P-256,SHA-256', 'P-256', 32, 'ECC_NIST_P256', 'ECDSA_SHA_256'],
      ['P-384,SHA-384', 'P-384', 48, 'ECC_NIST_P384', 'ECDSA_SHA_384'],
      ['P-521,SHA-512', 'P-521', 66, 'ECC_NIST_P521', 'ECDSA_SHA_512'],
    ] as const;
    const all = nistRecords('asymmetric', 'ECDSA', 'FIPS_186-3', 'SigVer.rsp');
    const cases = curves.flatMap(([heading, crv, size, spec, name]) => {
      const algorithm = signing(spec, name);
      const { mechanism, conversion } = algorithm;
      return all
        .filter(({ headings }) => headings.includes(heading))
        .map((record): Case => {
          const { Msg, Qx, Qy, R, S, Result } = record.values;
          const [x, y] = [Qx, Qy].map((each) => padded(each, size).toString('base64url'));
          const signature = toDer(conversion, Buffer.concat([padded(R, size), padded(S, size)]));
          let id: Buffer | undefined;
          try {
            const key = createPublicKey({ key: { kty: 'EC', crv, x: x!, y: y! }, format: 'jwk' });
            id = put(publicTemplate(key.export({ type: 'spki', format: 'der' })));
          } catch {
            // An altered public key that is not on the curve; Keyhold never has such a key.
          }
          return {
            name: nameOf(record),
            isValid: Result!.startsWith('P'),
            accepts: async (store) => {
              const data = signingInput(name, algorithm, hex(Msg));
              return id !== undefined && store.verify(id, mechanism, conversion, data, signature);
            },
          };
        });
    });
    await judgeAll(t, cases, await connect(), 45);
  });

  for (const [title, file, algorithmName] of [
    ['RSASSA-PSS', 'SigVerPSS_186-3.rsp', 'RSASSA_PSS_SHA_'],
    ['RSASSA-PKCS1-v1_5', 'SigVer15_186-3.rsp', 'RSASSA_PKCS1_V1_5_SHA_'],
  ] as const) {
    void t.test(title, async (t) => {
      const { put, connect } = prepare(t);
      const cases: Case[] = [];
      let n: Buffer = Buffer.alloc(0);
      for (const record of nistRecords('asymmetric', 'RSA', 'FIPS_186-2', file)) {
        const { values } = record;
        if (values.n !== undefined) n = stripped(values.n);
        const bits = /^mod = (2048|3072|4096)$/.exec(record.headings[0] ?? '')?.[1];
        const hash = /^SHA(256|384|512)$/.exec(values.SHAAlg ?? '')?.[1];
        if (!bits || !hash || values.Result === undefined) continue;
        const name = `${algorithmName}${hash as '256'}` as const;
        const algorithm = signing(`RSA_${bits as '2048'}`, name);
        // AWS KMS's salts are as long as the hash; these vectors' have 10 bytes.
        const { pss } = algorithm.mechanism;
        const saltLength = hex(values.SaltVal).length;
        const mechanism = pss ? { ...algorithm.mechanism, pss: { ...pss, saltLength } } : algorithm.mechanism;
        const id = put({
          class: ObjectClass.PUBLIC_KEY,
          keyType: KeyType.RSA,
          verify: true,
          modulus: n,
          publicExponent: stripped(values.e),
        });
        cases.push({
          name: nameOf(record),
          isValid: values.Result.startsWith('P'),
          accepts: (store) => {
            const data = signingInput(name, algorithm, hex(values.Msg));
            return store.verify(id, mechanism, 'none', data, hex(values.S));
          },
        });
      }
      await judgeAll(t, cases, await connect(), 150);
    });
  }

  void t.test('HMAC with keys at least as long as the hash (RFC 4231)', async (t) => {
    const { put, connect } = prepare(t);
    const cases = ([224, 256, 384, 512] as const).flatMap((bits) => {
      const mechanism = keySpecs[`HMAC_${bits}`].usages.GENERATE_VERIFY_MAC!.mac![`HMAC_SHA_${bits}`]!;
      return nistRecords('HMAC', `rfc-4231-sha${bits}.txt`)
        .filter(({ values }) => hex(values.Key).length >= bits / 8)
        .map((record): Case => {
          const { Key, Msg, MD } = record.values;
          const id = put({
            class: ObjectClass.SECRET_KEY,
            keyType: KeyType.GENERIC_SECRET,
            sign: true,
            verify: true,
            value: hex(Key),
          });
          return {
            name: `HMAC_SHA_${bits} ${nameOf(record)}`,
            isValid: true,
            accepts: async (store: KeyStore) =>
              (await store.sign(id, mechanism, 'none', hex(Msg))).equals(hex(MD)) &&
              (await store.verify(id, mechanism, 'none', hex(Msg), hex(MD))),
          };
        });
    });
    await judgeAll(t, cases, await connect(), 8);
  });

  void t.test('ECDH (SP 800-56A, static unified, both roles)', async (t) => {
    const { put, connect } = prepare(t);
    const curves = [
      ['EC - SHA256', 32, 'ECC_NIST_P256', '06082a8648ce3d030107', 'sha256'],
      ['ED - SHA384', 48, 'ECC_NIST_P384', '06052b81040022', 'sha384'],
      ['EE - SHA512', 66, 'ECC_NIST_P521', '06052b81040023', 'sha512'],
    ] as const;
    const all = ['init', 'resp'].flatMap((role) =>
      nistRecords('asymmetric', 'ECDH', `KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_${role}.fax`),
    );
    const cases = curves.flatMap(([heading, size, spec, parameters, hash]) => {
      const agreement = keySpecs[spec].usages.KEY_AGREEMENT!.keyAgreement!.ECDH!;
      return (
        all
          .filter(({ headings, values }) => headings.includes(heading) && values.Result !== undefined)
          // Faults of one's own key concern key generation; a key that the HSM generated does not have them.
          .filter(({ values }) => !values.Result!.includes('IUT'))
          .map((record): Case => {
            const { QsCAVSx, QsCAVSy, dsIUT, Z, CAVSHashZZ, Result } = record.values;
            const id = put({
              class: ObjectClass.PRIVATE_KEY,
              keyType: KeyType.EC,
              private: true,
              derive: true,
              paramsEC: hex(parameters),
              value: padded(dsIUT, size),
            });
            const point = [Buffer.of(4), padded(QsCAVSx, size), padded(QsCAVSy, size)];
            const peer = Buffer.concat([agreement.publicKeyPrefix, ...point]);
            return {
              name: nameOf(record),
              isValid: Result!.startsWith('P'),
              accepts: async (store) => {
                let checked: Buffer;
                try {
                  checked = readPeerKey(peer, agreement);
                } catch {
                  return false;
                }
                const secret = await store.deriveSharedSecret(id, checked);
                const digest = createHash(hash).update(secret).digest();
                return secret.equals(padded(Z, size)) && digest.equals(hex(CAVSHashZZ));
              },
            };
          })
      );
    });
    await judgeAll(t, cases, await connect(), 100);
  });
}

/** A signature in the API's form (DER), from r and s of equal length. */
function toDer(conversion: Conversion, raw: Buffer): Buffer {
  return conversions[conversion].toApi(raw);
}
