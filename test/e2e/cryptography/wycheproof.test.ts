// Project Wycheproof's vectors through the daemon, with imported keys: HMAC, RSAES-OAEP, ECDH.
//
// Not run, because the API does not offer them: truncated MACs, keys shorter than the hash, OAEP labels.
// "Acceptable" results: ECDH refuses compressed points and encodings other than DER.
import { createECDH, createPrivateKey } from 'node:crypto';
import t, { type Test } from 'tap';
import type { Client } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';
import { newExternalKey, type NewKey, parametersFor } from '../../support/imports.js';
import { hasWycheproof, hex, wycheproofGroups, type WycheproofVector } from '../../support/vector-files.js';
import { pkcs8 } from '../../support/wrapping.js';

interface Case {
  readonly vector: WycheproofVector;
  /** Whether the daemon accepts the vector and returns the right result. @throws any other error */
  readonly accepts: () => Promise<boolean>;
}

async function judge(t: Test, cases: readonly Case[]): Promise<void> {
  const wrong: string[] = [];
  const waiting = cases.values();
  // Each import generates a wrapping key, one after another. If all were requested at once, the last would time out.
  const lane = async () => {
    for (const { vector, accepts } of waiting) {
      if ((await accepts()) !== (vector.result === 'valid'))
        wrong.push(`${vector.tcId} ${vector.result} ${vector.flags.join()} ${vector.comment}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  t.strictSame(wrong, []);
  t.ok(cases.length > 25, `${cases.length} vectors`);
}

/** Imports each material once. @returns the key ID of a material */
function importer(client: Client, key: NewKey): (material: Buffer) => Promise<string> {
  const known = new Map<string, Promise<string>>();
  const make = async (material: Buffer) => {
    const keyId = await newExternalKey(client, key);
    await (await parametersFor(client, keyId)).import(material);
    return keyId;
  };
  return (material) => {
    const name = material.toString('hex');
    const made = known.get(name) ?? make(material);
    known.set(name, made);
    return made;
  };
}

/** A result, or undefined if it is refused with one of the expected codes. */
async function unless<T>(codes: readonly string[], attempt: Promise<T>): Promise<T | undefined> {
  try {
    return await attempt;
  } catch (error) {
    if (!codes.includes((error as { code: string }).code)) throw error;
    return undefined;
  }
}

if (!hasWycheproof) {
  console.error(
    'Wycheproof: vectors are skipped, since ../shared/vectors/wycheproof and WYCHEPROOF_DIR are missing.',
  );
  void t.test('Wycheproof', { skip: 'the vectors are missing; WYCHEPROOF_DIR names their folder' }, (t) =>
    t.end(),
  );
} else {
  void t.test('Wycheproof through the daemon', async (t) => {
    const daemon = await TestDaemon.start(t);
    const client = await daemon.connect();
    t.teardown(() => client.close());

    for (const bits of [224, 256, 384, 512] as const) {
      await t.test(`HMAC_${bits}`, async (t) => {
        const keyFor = importer(client, { keySpec: `HMAC_${bits}`, keyUsage: 'GENERATE_VERIFY_MAC' });
        const macAlgorithm = `HMAC_SHA_${bits}` as const;
        const runnable = wycheproofGroups(`hmac_sha${bits}`)
          .filter(({ tagSize }) => tagSize === bits)
          .flatMap(({ tests }) => tests)
          // The API refuses empty messages.
          .filter(({ key, msg }) => hex(key).length >= bits / 8 && msg !== '');
        await judge(
          t,
          runnable.map((vector) => ({
            vector,
            accepts: async () => {
              const request = {
                keyId: await keyFor(hex(vector.key)),
                message: hex(vector.msg),
                macAlgorithm,
              };
              const verified = await unless(
                ['KMSInvalidMacException'],
                client.verifyMac({ ...request, mac: hex(vector.tag) }),
              );
              const { mac } = await client.generateMac(request);
              t.equal(hex(vector.tag).equals(mac), verified !== undefined);
              return verified !== undefined;
            },
          })),
        );
      });
    }

    for (const [hash, encryptionAlgorithm] of [
      ['sha1', 'RSAES_OAEP_SHA_1'],
      ['sha256', 'RSAES_OAEP_SHA_256'],
    ] as const) {
      await t.test(encryptionAlgorithm, async (t) => {
        const keyFor = importer(client, { keySpec: 'RSA_2048', keyUsage: 'ENCRYPT_DECRYPT' });
        const cases = wycheproofGroups(`rsa_oaep_2048_${hash}_mgf1${hash}`).flatMap(
          ({ privateKeyPkcs8, tests }) =>
            tests
              .filter(({ label, ct }) => label === '' && ct !== '')
              .map((vector) => ({
                vector,
                accepts: async () => {
                  const keyId = await keyFor(hex(privateKeyPkcs8));
                  const request = { keyId, ciphertextBlob: hex(vector.ct), encryptionAlgorithm };
                  const opened = await unless(['InvalidCiphertextException'], client.decrypt(request));
                  return opened !== undefined && hex(vector.msg).equals(opened.plaintext ?? Buffer.alloc(0));
                },
              })),
        );
        await judge(t, cases);
      });
    }

    await t.test('ECDH', async (t) => {
      const keyFor = importer(client, { keySpec: 'ECC_NIST_P256', keyUsage: 'KEY_AGREEMENT' });
      const cases = wycheproofGroups('ecdh_secp256r1').flatMap(({ tests }) =>
        tests
          .filter(({ public: peer }) => peer !== '')
          .map((vector) => ({
            vector,
            accepts: async () => {
              const keyId = await keyFor(p256(hex(vector.private)));
              const request = {
                keyId,
                keyAgreementAlgorithm: 'ECDH',
                publicKey: hex(vector.public),
              } as const;
              const agreed = await unless(['ValidationException'], client.deriveSharedSecret(request));
              return agreed !== undefined && hex(vector.shared).equals(agreed.sharedSecret);
            },
          })),
      );
      await judge(t, cases);
    });
  });
}

/** PKCS #8 of a private number, which the vectors give with and without leading zeros. */
function p256(number: Buffer): Buffer {
  const d = Buffer.concat([Buffer.alloc(32), number]).subarray(-32);
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(d);
  const point = pair.getPublicKey();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((each) => each.toString('base64url'));
  const key = { kty: 'EC', crv: 'P-256', d: d.toString('base64url'), x, y };
  return pkcs8(createPrivateKey({ key, format: 'jwk' }));
}
