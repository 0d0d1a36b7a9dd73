// Verification without a daemon: published vectors, signatures by OpenSSL, and bytes that are no key or signature.
import {
  constants,
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { CryptoError, type SigningAlgorithmSpec, verify, type VerifyOptions } from '../../client/index.js';
import { ecdsaToDer } from '../../proto/formats/ecdsa-signature.js';
import { openssl } from '../support/certificates/openssl.js';
import {
  hasNistVectors,
  hasWycheproof,
  hex,
  nistRecords,
  padded,
  wycheproofGroups,
} from '../support/vector-files.js';

interface Vector extends VerifyOptions {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly isValid: boolean;
}

const hashOf = (algorithm: SigningAlgorithmSpec) => `sha${algorithm.slice(-3)}`;
const spki = (key: KeyObject) => key.export({ type: 'spki', format: 'der' });

/** Checks every vector with its message, and with the message's digest if the algorithm signs digests. */
async function judge(t: Test, vectors: readonly Vector[], least: number): Promise<void> {
  const wrong: string[] = [];
  for (const { name, publicKey, isValid, ...options } of vectors) {
    const { message, signingAlgorithm } = options;
    if ((await verify(publicKey, options)) !== isValid) wrong.push(name);
    if (signingAlgorithm.startsWith('ED25519')) continue;
    const digest = createHash(hashOf(signingAlgorithm)).update(message).digest();
    const asDigest = { ...options, message: digest, messageType: 'DIGEST' } as const;
    if ((await verify(publicKey, asDigest)) !== isValid) wrong.push(`${name}, by its digest`);
  }
  t.strictSame(wrong, []);
  t.ok(vectors.length >= least, `${vectors.length} vectors`);
}

const wycheproofFiles: Readonly<Record<string, SigningAlgorithmSpec>> = {
  ecdsa_secp256r1_sha256: 'ECDSA_SHA_256',
  ecdsa_secp384r1_sha384: 'ECDSA_SHA_384',
  ed25519: 'ED25519_SHA_512',
  rsa_pss_2048_sha256_mgf1_32: 'RSASSA_PSS_SHA_256',
  rsa_signature_2048_sha256: 'RSASSA_PKCS1_V1_5_SHA_256',
  rsa_signature_2048_sha512: 'RSASSA_PKCS1_V1_5_SHA_512',
};

const noWycheproof = !hasWycheproof && 'the vectors are missing; WYCHEPROOF_DIR names their folder';
void t.test("Project Wycheproof's vectors", { skip: noWycheproof }, async (t) => {
  for (const [file, signingAlgorithm] of Object.entries(wycheproofFiles)) {
    const vectors = wycheproofGroups(file).flatMap(({ publicKeyDer, tests }) =>
      tests.map(({ tcId, result, flags, comment, msg, sig }) => ({
        name: `${tcId} ${result} ${flags.join()} ${comment}`,
        publicKey: hex(publicKeyDer),
        message: hex(msg),
        signature: hex(sig),
        signingAlgorithm,
        // "Acceptable" is a DigestInfo without its NULL, which RFC 8017, appendix A.2.4, does not have.
        isValid: result === 'valid',
      })),
    );
    await t.test(file, (t) => judge(t, vectors, 60));
  }

  await t.test('RSASSA-PSS with a salt that is not as long as the hash', async (t) => {
    const vectors = wycheproofGroups('rsa_pss_2048_sha256_mgf1_0').flatMap(({ publicKeyDer, tests }) =>
      tests.map(({ tcId, comment, msg, sig }) => ({
        name: String(tcId),
        publicKey: hex(publicKeyDer),
        message: hex(msg),
        signature: hex(sig),
        signingAlgorithm: 'RSASSA_PSS_SHA_256' as const,
        // This file calls a salt of 32 bytes wrong; KMS generates such salts.
        isValid: comment === 's_len changed to 32',
      })),
    );
    await judge(t, vectors, 60);
  });
});

const noNist = !hasNistVectors && 'the vectors are missing: install python3-cryptography-vectors';
void t.test("NIST's vectors of ECDSA, and those of secp256k1", { skip: noNist }, async (t) => {
  const verified = nistRecords('asymmetric', 'ECDSA', 'FIPS_186-3', 'SigVer.rsp');
  const signed = nistRecords('asymmetric', 'ECDSA', 'SECP256K1', 'SigGen.txt');
  for (const [heading, crv, size, signingAlgorithm] of [
    ['P-256,SHA-256', 'P-256', 32, 'ECDSA_SHA_256'],
    ['P-384,SHA-384', 'P-384', 48, 'ECDSA_SHA_384'],
    ['P-521,SHA-512', 'P-521', 66, 'ECDSA_SHA_512'],
    ['K-256,SHA-256', 'secp256k1', 32, 'ECDSA_SHA_256'],
  ] as const) {
    const vectors = [...verified, ...signed]
      .filter(({ headings }) => headings.includes(heading))
      .flatMap(({ values: { Msg, Qx, Qy, R, S, Result = 'P' }, line }) => {
        const [x, y] = [Qx, Qy].map((each) => padded(each, size).toString('base64url'));
        let key: KeyObject;
        try {
          key = createPublicKey({ key: { kty: 'EC', crv, x: x!, y: y! }, format: 'jwk' });
        } catch {
          return []; // A public key that is not on the curve.
        }
        return {
          name: `${heading}, line ${line}`,
          publicKey: spki(key),
          message: hex(Msg),
          signature: ecdsaToDer(Buffer.concat([padded(R, size), padded(S, size)]), size)!,
          signingAlgorithm,
          isValid: Result.startsWith('P'),
        };
      });
    await t.test(heading, (t) => judge(t, vectors, 8));
  }
});

interface Pair {
  readonly algorithms: readonly SigningAlgorithmSpec[];
  readonly generate: readonly string[];
}

const rsaAlgorithms = ['PSS', 'PKCS1_V1_5'].flatMap((padding) =>
  [256, 384, 512].map((bits) => `RSASSA_${padding}_SHA_${bits}` as SigningAlgorithmSpec),
);
const rsa = (bits: number): Pair => ({
  algorithms: rsaAlgorithms,
  generate: ['RSA', '-pkeyopt', `rsa_keygen_bits:${bits}`],
});
const ec = (curve: string, bits: 256 | 384 | 512): Pair => ({
  algorithms: [`ECDSA_SHA_${bits}`],
  generate: ['EC', '-pkeyopt', `ec_paramgen_curve:${curve}`],
});
const pairs: Readonly<Record<string, Pair>> = {
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: ec('P-256', 256),
  ECC_NIST_P384: ec('P-384', 384),
  ECC_NIST_P521: ec('P-521', 512),
  ECC_SECG_P256K1: ec('secp256k1', 256),
  ECC_NIST_EDWARDS25519: { algorithms: ['ED25519_SHA_512'], generate: ['ED25519'] },
};

void t.test('signatures by OpenSSL are accepted, and altered ones are not', async (t) => {
  for (const [keySpec, { algorithms, generate }] of Object.entries(pairs)) {
    await t.test(keySpec, async (t) => {
      const key = openssl(['genpkey', '-algorithm', ...generate, '-outform', 'DER'], {});
      const publicKey = openssl(['pkey', '-in', 'key', '-inform', 'DER', '-pubout', '-outform', 'DER'], {
        key,
      });
      // Longer than the daemon accepts.
      const message = Buffer.alloc(10_000, 'attack at dawn');
      for (const signingAlgorithm of algorithms) {
        const isEdwards = signingAlgorithm === 'ED25519_SHA_512';
        const isPss = signingAlgorithm.startsWith('RSASSA_PSS');
        const pss = isPss ? ['-pkeyopt', 'rsa_padding_mode:pss', '-pkeyopt', 'rsa_pss_saltlen:digest'] : [];
        const hash = isEdwards ? [] : ['-digest', hashOf(signingAlgorithm)];
        const signWith = ['pkeyutl', '-sign', '-inkey', 'key', '-keyform', 'DER', '-rawin', '-in', 'message'];
        const signature = openssl([...signWith, ...hash, ...pss], { key, message });
        const digest = createHash(isEdwards ? 'sha512' : hashOf(signingAlgorithm))
          .update(message)
          .digest();
        const forms: VerifyOptions[] = [{ message, signature, signingAlgorithm }];
        if (!isEdwards) forms.push({ message: digest, signature, signingAlgorithm, messageType: 'DIGEST' });
        for (const options of forms) {
          const name = `${signingAlgorithm} ${options.messageType ?? 'RAW'}`;
          t.equal(await verify(publicKey, options), true, name);
          const changed = Buffer.from(options.message);
          changed[0]! ^= 1;
          t.equal(
            await verify(publicKey, { ...options, message: changed }),
            false,
            `${name}: another message is refused`,
          );
          for (const at of [0, signature.length >> 1, signature.length - 1]) {
            const bad = Buffer.from(signature);
            bad[at]! ^= 1;
            t.equal(
              await verify(publicKey, { ...options, signature: bad }),
              false,
              `${name}: a change of byte ${at} is refused`,
            );
          }
          for (const bad of [signature.subarray(1), Buffer.concat([signature, Buffer.of(0)]), Buffer.of()])
            t.equal(
              await verify(publicKey, { ...options, signature: bad }),
              false,
              `${name}: a signature of ${bad.length} bytes is refused`,
            );
          for (const bad of [Buffer.alloc(signature.length), Buffer.alloc(signature.length, 0xff)])
            t.equal(await verify(publicKey, { ...options, signature: bad }), false, `${name}: ${bad[0]}s`);
        }
      }
    });
  }
});

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
const someSignature = {
  message: Buffer.of(1),
  signature: Buffer.of(1),
  signingAlgorithm: 'ECDSA_SHA_256',
} as const;

void t.test('an invalid key gets a clear error, whatever its bytes are', async (t) => {
  const refuses = (publicKey: Uint8Array, code: string, name: string, message = /./) =>
    t.rejects(
      verify(publicKey, someSignature),
      { name: 'CryptoError', code, message, retryable: false },
      name,
    );
  const der = spki(p256);
  await refuses(Buffer.alloc(0), 'InvalidKey', 'no bytes');
  await refuses(Buffer.concat([der, Buffer.of(0)]), 'InvalidKey', 'bytes behind it');
  await refuses(
    Buffer.from(p256.export({ type: 'spki', format: 'pem' })),
    'InvalidKey',
    'PEM',
    /openssl pkey/,
  );
  const offCurve = Buffer.from(der);
  offCurve[offCurve.length - 1]! ^= 1;
  await refuses(offCurve, 'InvalidKey', 'a point off the curve');
  const infinity = Buffer.concat([hex('3019'), der.subarray(2, 23), hex('03020000')]);
  await refuses(infinity, 'InvalidKey', 'the point at infinity');
  const convert = ['ec', '-pubin', '-inform', 'DER', '-in', 'key.der', '-pubout', '-outform', 'DER'];
  for (const form of [
    ['-param_enc', 'explicit'],
    ['-conv_form', 'compressed'],
    ['-conv_form', 'hybrid'],
  ])
    await refuses(openssl([...convert, ...form], { 'key.der': der }), 'InvalidKey', form.join(' '));
  for (const [name, key] of Object.entries({
    'RSA of 1024 bits': generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey,
    'RSA-PSS': generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey,
    X25519: generateKeyPairSync('x25519').publicKey,
    Ed448: generateKeyPairSync('ed448').publicKey,
    'a curve of no key spec': generateKeyPairSync('ec', { namedCurve: 'brainpoolP256r1' }).publicKey,
  }))
    await refuses(spki(key), 'UnsupportedAlgorithm', name);

  await fc.assert(
    fc.asyncProperty(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const changed = Buffer.from(der);
      changed[at]! ^= change;
      const result = await verify(changed, someSignature).catch((error: unknown) => error);
      return result === false || result instanceof CryptoError;
    }),
    { numRuns: 300 },
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (signature) =>
      t.equal(await verify(der, { ...someSignature, signature }), false),
    ),
    { numRuns: 100 },
  );
});

void t.test('an algorithm, message type or digest that does not fit is refused', async (t) => {
  const der = spki(p256);
  const refuses = (options: Partial<VerifyOptions>, code: string) =>
    t.rejects(verify(der, { ...someSignature, ...options }), { name: 'CryptoError', code });
  await refuses({ signingAlgorithm: 'ECDSA_SHA_384' }, 'IncompatibleAlgorithm');
  await refuses({ signingAlgorithm: 'RSASSA_PSS_SHA_256' }, 'IncompatibleAlgorithm');
  await refuses({ signingAlgorithm: 'ML_DSA_SHAKE_256' }, 'IncompatibleAlgorithm');
  await refuses({ signingAlgorithm: 'SM2DSA' }, 'UnsupportedAlgorithm');
  await refuses({ signingAlgorithm: 'ED25519_PH_SHA_512' }, 'UnsupportedAlgorithm');
  for (const name of ['none', 'constructor', '__proto__'])
    await refuses({ signingAlgorithm: name as 'SM2DSA' }, 'UnsupportedAlgorithm');
  await refuses({ messageType: 'DIGEST', message: Buffer.alloc(31) }, 'InvalidMessage');
  await refuses({ messageType: 'EXTERNAL_MU' }, 'InvalidMessage');
  const edwards = spki(generateKeyPairSync('ed25519').publicKey);
  const options = { ...someSignature, signingAlgorithm: 'ED25519_SHA_512', messageType: 'DIGEST' } as const;
  await t.rejects(verify(edwards, options), { name: 'CryptoError', code: 'InvalidMessage' });
});

/** Bytes of the public keys of ML-DSA-44, -65 and -87 (FIPS 204, table 2), by the last byte of their object identifiers. */
const mlDsaKeys = { 17: 1312, 18: 1952, 19: 2592 } as const;

void t.test(
  'ML-DSA is verified if Node supports it, and refused with the reason if not, at once',
  async (t) => {
    const options = { ...someSignature, signingAlgorithm: 'ML_DSA_SHAKE_256' } as const;
    for (const [identifier, length] of Object.entries(mlDsaKeys)) {
      const set = { 17: '44', 18: '65', 19: '87' }[identifier];
      const bitString = Buffer.concat([
        hex('0382'),
        uint16(length + 1),
        Buffer.of(0),
        Buffer.alloc(length, 7),
      ]);
      const algorithm = Buffer.concat([hex('300b06096086480165030403'), Buffer.of(Number(identifier))]);
      const der = Buffer.concat([
        hex('3082'),
        uint16(algorithm.length + bitString.length),
        algorithm,
        bitString,
      ]);
      const generate = generateKeyPairSync as unknown as (
        type: string,
      ) => Record<'publicKey' | 'privateKey', KeyObject>;
      let pair: ReturnType<typeof generate>;
      try {
        pair = generate(`ml-dsa-${set}`);
      } catch {
        await t.rejects(verify(der, options), { code: 'UnsupportedAlgorithm', message: /use Node 24/ });
        continue;
      }
      t.equal(await verify(der, options), false);
      const publicKey = spki(pair.publicKey);
      const signature = sign(null, options.message, pair.privateKey);
      t.equal(await verify(publicKey, { ...options, signature }), true, `ML-DSA-${set}`);
      t.equal(await verify(publicKey, { ...options, signature, message: Buffer.of(2) }), false);
      await t.rejects(verify(publicKey, { ...options, messageType: 'EXTERNAL_MU' }), {
        code: 'InvalidMessage',
      });
    }
  },
);

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

void t.test('an RSA signature is as long as the modulus, even if it begins with a zero', async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const message = Buffer.from('a message');
  const options = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  let signature = sign('sha256', message, options);
  // One in 256 begins with a zero.
  while (signature[0] !== 0) signature = sign('sha256', message, options);
  const digest = createHash('sha256').update(message).digest();
  for (const [messageType, signed] of [
    ['RAW', message],
    ['DIGEST', digest],
  ] as const) {
    const request = { message: signed, messageType, signingAlgorithm: 'RSASSA_PSS_SHA_256' } as const;
    t.equal(await verify(der, { ...request, signature }), true, messageType);
    t.equal(
      await verify(der, { ...request, signature: signature.subarray(1) }),
      false,
      `${messageType}: a signature without its leading zero is refused`,
    );
  }
});
