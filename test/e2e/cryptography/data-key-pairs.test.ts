// GenerateDataKeyPair and …WithoutPlaintext of every spec, checked by Node's crypto and by openssl.
import {
  constants,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  privateDecrypt,
  sign,
  verify,
} from 'node:crypto';
import t from 'tap';
import { type DataKeyPairSpec, importDataKeyPair } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';
import { openssl } from '../../support/certificates/openssl.js';

const specs: readonly DataKeyPairSpec[] = [
  'RSA_2048',
  'RSA_3072',
  'RSA_4096',
  'ECC_NIST_P256',
  'ECC_NIST_P384',
  'ECC_NIST_P521',
  'ECC_SECG_P256K1',
  'ECC_NIST_EDWARDS25519',
];
const encryptionContext = { purpose: 'test' };
const message = Buffer.from('attack at dawn');

void t.test('data key pairs', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const refuses = (attempt: Promise<unknown>, code: string, name = code) =>
    t.rejects(attempt, { code, retryable: false }, name);
  const key = (await client.createKey({})).keyMetadata;
  const keyId = key.keyId;
  const objects = () => client.listKeys({}).then(({ keys }) => keys.length);
  const keysBefore = await objects();

  /** Checks that both halves belong together and are in DER. */
  const fits = (spec: DataKeyPairSpec, pkcs8: Uint8Array, spki: Uint8Array) => {
    const der = Buffer.from(pkcs8);
    const privateKey = createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });
    const publicKey = createPublicKey({ key: Buffer.from(spki), type: 'spki', format: 'der' });
    t.ok(createPublicKey(privateKey).equals(publicKey), spec);
    t.ok(privateKey.export({ type: 'pkcs8', format: 'der' }).equals(der), `${spec}: as OpenSSL encodes it`);
    const hash = spec === 'ECC_NIST_EDWARDS25519' ? undefined : 'sha256';
    t.ok(verify(hash, message, publicKey, sign(hash, message, privateKey)), spec);
    if (spec !== 'ECC_NIST_EDWARDS25519')
      openssl(['pkey', '-inform', 'DER', '-in', 'key', '-check', '-noout'], { key: der });
  };

  for (const keyPairSpec of specs) {
    await t.test(`${keyPairSpec}: halves fit, and the ciphertext decrypts to the private key`, async (t) => {
      const pair = await client.generateDataKeyPair({ keyId, keyPairSpec, encryptionContext });
      t.match(pair, { keyId: key.arn, keyPairSpec, keyMaterialId: key.currentKeyMaterialId });
      fits(keyPairSpec, pair.privateKeyPlaintext, pair.publicKey);
      const ciphertextBlob = pair.privateKeyCiphertextBlob;
      const opened = await client.decrypt({ ciphertextBlob, encryptionContext });
      t.same(opened.plaintext, pair.privateKeyPlaintext);
      await refuses(client.decrypt({ ciphertextBlob }), 'InvalidCiphertextException');

      const hidden = await client.generateDataKeyPairWithoutPlaintext({
        keyId,
        keyPairSpec,
        encryptionContext,
      });
      t.notOk('privateKeyPlaintext' in hidden);
      t.match(hidden, { keyId: key.arn, keyPairSpec, keyMaterialId: key.currentKeyMaterialId });
      const later = await client.decrypt({
        ciphertextBlob: hidden.privateKeyCiphertextBlob,
        encryptionContext,
      });
      fits(keyPairSpec, later.plaintext, hidden.publicKey);
    });
  }

  await t.test('each pair is imported as keys of WebCrypto', async (t) => {
    const signing = {
      ECDSA: { name: 'ECDSA', hash: 'SHA-256' },
      'RSA-PSS': { name: 'RSA-PSS', saltLength: 32 },
    };
    for (const keyPairSpec of specs) {
      const pair = await client.generateDataKeyPair({ keyId, keyPairSpec });
      const pkcs8 = Buffer.from(pair.privateKeyPlaintext);
      const { privateKey, publicKey, subtle } = await importDataKeyPair(pair);
      t.same(pair.privateKeyPlaintext, pkcs8, 'the plaintext stays unchanged for the caller');
      pair.privateKeyPlaintext.fill(0);
      t.equal(privateKey.extractable, false);
      const name = privateKey.algorithm.name as keyof typeof signing;
      const algorithm = signing[name] ?? { name };
      const signature = await subtle.sign(algorithm, privateKey, message);
      t.equal(await subtle.verify(algorithm, publicKey, signature, message), true, `${keyPairSpec} ${name}`);
      t.equal(await subtle.verify(algorithm, publicKey, signature, Buffer.of(1)), false, keyPairSpec);
      // Checked by Node's crypto; WebCrypto's ECDSA signatures are r‖s.
      const key = createPublicKey({ key: Buffer.from(pair.publicKey), type: 'spki', format: 'der' });
      const padding = name === 'RSA-PSS' ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : {};
      const hash = keyPairSpec === 'ECC_NIST_EDWARDS25519' ? undefined : 'sha256';
      const judge = { key, dsaEncoding: 'ieee-p1363', ...padding } as const;
      t.ok(verify(hash, message, judge, Buffer.from(signature)), keyPairSpec);
    }
  });

  await t.test(
    'a pair is imported for another algorithm of its kind, and exported if extractable is set',
    async (t) => {
      const pairOf = (keyPairSpec: DataKeyPairSpec) => client.generateDataKeyPair({ keyId, keyPairSpec });
      const rsa = await pairOf('RSA_2048');
      const oaep = await importDataKeyPair(rsa, {
        algorithm: 'RSA-OAEP',
        hash: 'SHA-512',
        extractable: true,
      });
      const { subtle } = oaep;
      const sealed = await subtle.encrypt({ name: 'RSA-OAEP' }, oaep.publicKey, message);
      const judge = createPrivateKey({
        key: Buffer.from(rsa.privateKeyPlaintext),
        type: 'pkcs8',
        format: 'der',
      });
      t.same(privateDecrypt({ key: judge, oaepHash: 'sha512' }, Buffer.from(sealed)), message);
      t.same(Buffer.from(await subtle.decrypt({ name: 'RSA-OAEP' }, oaep.privateKey, sealed)), message);
      t.same(
        Buffer.from(await subtle.exportKey('pkcs8', oaep.privateKey)),
        Buffer.from(rsa.privateKeyPlaintext),
      );
      for (const keyPairSpec of [
        'ECC_NIST_P256',
        'ECC_NIST_P384',
        'ECC_NIST_P521',
        'ECC_SECG_P256K1',
      ] as const) {
        const [ours, theirs] = await Promise.all([pairOf(keyPairSpec), pairOf(keyPairSpec)]);
        const [a, b] = await Promise.all(
          [ours, theirs].map((pair) => importDataKeyPair(pair, { algorithm: 'ECDH' })),
        );
        const secret = Buffer.from(
          await subtle.deriveBits(
            { name: 'ECDH', public: b!.publicKey },
            a!.privateKey,
            null as unknown as number,
          ),
        );
        const agreed = diffieHellman({
          privateKey: createPrivateKey({
            key: Buffer.from(theirs.privateKeyPlaintext),
            type: 'pkcs8',
            format: 'der',
          }),
          publicKey: createPublicKey({ key: Buffer.from(ours.publicKey), type: 'spki', format: 'der' }),
        });
        t.same(secret, agreed, keyPairSpec);
      }
    },
  );

  await t.test('missing, malformed and mismatched halves are not imported', async (t) => {
    const [pair, other] = await Promise.all(
      [0, 1].map(() => client.generateDataKeyPair({ keyId, keyPairSpec: 'ECC_NIST_P256' })),
    );
    const refused = (changes: object, code: string, options = {}) =>
      t.rejects(importDataKeyPair({ ...pair, ...changes }, options), { name: 'CryptoError', code });
    await refused({ privateKeyPlaintext: undefined }, 'InvalidKey');
    await refused({ publicKey: undefined }, 'InvalidKey');
    await refused({ publicKey: other!.publicKey }, 'InvalidKey');
    await refused({ keyPairSpec: 'ECC_NIST_P384' }, 'InvalidKey');
    await refused({ privateKeyPlaintext: Buffer.of(1, 2, 3) }, 'InvalidKey');
    await refused({ privateKeyPlaintext: pair!.privateKeyPlaintext.subarray(1) }, 'InvalidKey');
    await refused({}, 'IncompatibleAlgorithm', { algorithm: 'RSA-PSS' });
  });

  await t.test('private numbers that begin with a zero keep their length', async (t) => {
    const generate = () => client.generateDataKeyPair({ keyId, keyPairSpec: 'ECC_NIST_P256' });
    // One in 256 begins with a zero.
    let leadingZeros = 0;
    for (let count = 0; leadingZeros === 0 && count < 10_000; count += 200)
      for (const pair of await Promise.all(Array.from({ length: 200 }, generate))) {
        const der = Buffer.from(pair.privateKeyPlaintext);
        const again = createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });
        if (!again.export({ type: 'pkcs8', format: 'der' }).equals(der)) t.fail(der.toString('hex'));
        if (der[36] === 0) leadingZeros++;
      }
    t.ok(leadingZeros > 0, 'some private numbers began with a zero');
  });

  await t.test('unavailable specs, and keys that cannot encrypt data keys, are refused', async (t) => {
    for (const keyPairSpec of ['SM2', 'ML_KEM_512', 'ML_KEM_768', 'ML_KEM_1024'] as const) {
      await refuses(client.generateDataKeyPair({ keyId, keyPairSpec }), 'UnsupportedOperationException');
      await refuses(
        client.generateDataKeyPairWithoutPlaintext({ keyId, keyPairSpec }),
        'UnsupportedOperationException',
      );
    }
    const keyPairSpec = 'ECC_NIST_P256';
    await refuses(
      client.generateDataKeyPair({ keyId, keyPairSpec, recipient: {} }),
      'UnsupportedOperationException',
    );
    await refuses(
      client.generateDataKeyPair({ keyId, keyPairSpec, dryRun: true }),
      'DryRunOperationException',
    );
    await refuses(
      client.generateDataKeyPairWithoutPlaintext({ keyId, keyPairSpec, dryRun: true }),
      'DryRunOperationException',
    );
    const created = await client.createKey({ keySpec: 'RSA_2048', keyUsage: 'ENCRYPT_DECRYPT' });
    const rsa = created.keyMetadata.keyId;
    await refuses(client.generateDataKeyPair({ keyId: rsa, keyPairSpec }), 'InvalidKeyUsageException');
    t.equal(await objects(), keysBefore + 1, 'data key pairs create no keys');
  });

  await t.test('the audit log shows no private key', (t) => {
    const events = daemon.auditRecords().filter(({ eventName }) => eventName === 'GenerateDataKeyPair');
    t.ok(events.length > 200);
    for (const event of events) t.equal(event.responseElements, null);
    t.end();
  });
});
