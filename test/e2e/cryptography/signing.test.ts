// Sign, Verify and GetPublicKey with every key spec and algorithm, checked by Node's crypto, by WebCrypto and by openssl.
import { constants, createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type KeySpec, type SigningAlgorithmSpec, verify as verifyOffline } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';
import { openssl, toPem } from '../../support/certificates/openssl.js';

const message = Buffer.from('attack at dawn');

const rsaAlgorithms = ['PSS', 'PKCS1_V1_5'].flatMap((padding) =>
  [256, 384, 512].map((bits) => `RSASSA_${padding}_SHA_${bits}` as SigningAlgorithmSpec),
);

interface Expected {
  readonly algorithms: readonly SigningAlgorithmSpec[];
  readonly type: string;
  readonly details: object;
}

const ec = (bits: 256 | 384 | 512, namedCurve: string): Expected => ({
  algorithms: [`ECDSA_SHA_${bits}`],
  type: 'ec',
  details: { namedCurve },
});
const rsa = (modulusLength: number): Expected => ({
  algorithms: rsaAlgorithms,
  type: 'rsa',
  details: { modulusLength, publicExponent: 65537n },
});

const specs: Partial<Record<KeySpec, Expected>> = {
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: ec(256, 'prime256v1'),
  ECC_NIST_P384: ec(384, 'secp384r1'),
  ECC_NIST_P521: ec(512, 'secp521r1'),
  ECC_SECG_P256K1: ec(256, 'secp256k1'),
  ECC_NIST_EDWARDS25519: { algorithms: ['ED25519_SHA_512'], type: 'ed25519', details: {} },
};

const hashOf = (algorithm: string) =>
  algorithm.startsWith('ED25519') ? undefined : `sha${algorithm.slice(-3)}`;

function isRight(
  algorithm: SigningAlgorithmSpec,
  key: KeyObject,
  signed: Buffer,
  signature: Uint8Array,
): boolean {
  const padding = algorithm.startsWith('RSASSA_PSS') ? constants.RSA_PKCS1_PSS_PADDING : undefined;
  const saltLength = padding && constants.RSA_PSS_SALTLEN_DIGEST;
  return verify(hashOf(algorithm), signed, { key, padding, saltLength }, signature);
}

void t.test('signing', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const refuses = (attempt: Promise<unknown>, code: string, name = code) =>
    t.rejects(attempt, { code, retryable: false }, name);
  const keys = new Map<string, string>();

  for (const [keySpec, { algorithms, type, details }] of Object.entries(specs) as [KeySpec, Expected][]) {
    await t.test(`${keySpec} signs with each of its algorithms, and others verify it`, async (t) => {
      const { keyMetadata } = await client.createKey({ keySpec, keyUsage: 'SIGN_VERIFY' });
      const keyId = keyMetadata.keyId;
      keys.set(keySpec, keyId);
      t.match(keyMetadata, { keySpec, keyUsage: 'SIGN_VERIFY', signingAlgorithms: algorithms });
      t.notOk(keyMetadata.currentKeyMaterialId ?? keyMetadata.encryptionAlgorithms?.length);
      const shown = await client.getPublicKey({ keyId });
      t.match(shown, {
        keyId: keyMetadata.arn,
        keySpec,
        keyUsage: 'SIGN_VERIFY',
        signingAlgorithms: algorithms,
      });
      const key = createPublicKey({ key: Buffer.from(shown.publicKey), type: 'spki', format: 'der' });
      t.equal(key.asymmetricKeyType, type);
      t.match(key.asymmetricKeyDetails, details);

      for (const signingAlgorithm of algorithms) {
        const hash = hashOf(signingAlgorithm);
        for (const messageType of hash ? (['RAW', 'DIGEST'] as const) : (['RAW'] as const)) {
          const request = {
            keyId,
            signingAlgorithm,
            messageType,
            message: messageType === 'RAW' ? message : createHash(hash!).update(message).digest(),
          };
          const made = await client.sign(request);
          t.match(made, { keyId: keyMetadata.arn, signingAlgorithm });
          const signature = made.signature;
          t.ok(isRight(signingAlgorithm, key, message, signature), `${signingAlgorithm} ${messageType}`);
          t.equal(
            await verifyOffline(shown.publicKey, { ...request, signature }),
            true,
            'the signature verifies without the daemon',
          );
          t.same(await client.verify({ ...request, signature }), {
            keyId: keyMetadata.arn,
            signatureValid: true,
            signingAlgorithm,
          });
          const other = Buffer.from(request.message);
          other[0]! ^= 1;
          await refuses(
            client.verify({ ...request, message: other, signature }),
            'KMSInvalidSignatureException',
          );
          const wrong = [0, signature.length >> 1, signature.length - 1].map((at) => {
            const changed = Buffer.from(signature);
            changed[at]! ^= 1;
            return changed;
          });
          wrong.push(
            Buffer.from(signature.subarray(1)),
            Buffer.concat([signature, Buffer.of(0)]),
            Buffer.of(0),
          );
          for (const bad of wrong) {
            t.equal(await verifyOffline(shown.publicKey, { ...request, signature: bad }), false);
            await refuses(
              client.verify({ ...request, signature: bad }),
              'KMSInvalidSignatureException',
              bad.toString('hex'),
            );
          }
        }
      }
    });
  }

  await t.test('openssl verifies a signature of each kind', async (t) => {
    const cases = [
      ['ECC_NIST_P256', 'ECDSA_SHA_256', []],
      ['ECC_NIST_P521', 'ECDSA_SHA_512', []],
      ['ECC_SECG_P256K1', 'ECDSA_SHA_256', []],
      ['RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_384', []],
      [
        'RSA_3072',
        'RSASSA_PSS_SHA_512',
        ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:64'],
      ],
    ] as const;
    for (const [spec, signingAlgorithm, options] of cases) {
      const keyId = keys.get(spec)!;
      const { signature } = await client.sign({ keyId, message, signingAlgorithm });
      const pem = toPem((await client.getPublicKey({ keyId })).publicKey);
      const args = ['dgst', `-${hashOf(signingAlgorithm)}`, '-verify', 'key', '-signature', 'signature'];
      const said = openssl([...args, ...options, 'message'], { key: pem, signature: signature, message });
      t.equal(said.toString(), 'Verified OK\n', spec);
    }
    const keyId = keys.get('ECC_NIST_EDWARDS25519')!;
    const { signature } = await client.sign({ keyId, message, signingAlgorithm: 'ED25519_SHA_512' });
    const pem = toPem((await client.getPublicKey({ keyId })).publicKey);
    const args = ['pkeyutl', '-verify', '-pubin', '-inkey', 'key', '-rawin', '-in', 'message'];
    const files = { key: pem, signature: signature, message };
    t.match(openssl([...args, '-sigfile', 'signature'], files).toString(), /Signature Verified Successfully/);
  });

  await t.test(
    'keyhold verify-offline verifies with a public key, without daemon and credentials',
    async (t) => {
      const cwd = t.testdir();
      const keyId = keys.get('ECC_SECG_P256K1')!;
      const signingAlgorithm = 'ECDSA_SHA_256';
      const { signature } = await client.sign({ keyId, message, signingAlgorithm });
      const { publicKey } = await client.getPublicKey({ keyId });
      writeFileSync(join(cwd, 'public.b64'), `${Buffer.from(publicKey).toString('base64')}\n`);
      writeFileSync(join(cwd, 'message'), message);
      writeFileSync(join(cwd, 'signature'), signature);
      const run = (...args: string[]) =>
        daemon.cli(['verify-offline', '--public-key', 'file://public.b64', ...args], {
          cwd,
          env: { KEYHOLD_URL: '', AWS_ACCESS_KEY_ID: '', AWS_SHARED_CREDENTIALS_FILE: '/nonexistent' },
        });
      const algorithm = ['--signing-algorithm', signingAlgorithm];
      const right = ['--message', 'fileb://message', '--signature', 'fileb://signature'];
      t.match(await run(...right, ...algorithm, '--query', 'SignatureValid'), { code: 0, stdout: 'true\n' });
      const digest = createHash('sha256').update(message).digest('base64');
      const byDigest = ['--message', digest, '--message-type', 'DIGEST', '--signature', 'fileb://signature'];
      t.match(await run(...byDigest, ...algorithm, '--output', 'text'), {
        code: 0,
        stdout: 'True\tECDSA_SHA_256\n',
      });
      t.match(await run('--message', digest, ...right.slice(2), ...algorithm), {
        code: 1,
        stdout: '',
        stderr: /^keyhold: The signature is not one of this key/,
      });
      t.match(await run(...right, '--signing-algorithm', 'RSASSA_PSS_SHA_256'), {
        code: 1,
        stderr: /RSASSA_PSS_SHA_256 is not an algorithm of the key spec ECC_SECG_P256K1/,
      });
      t.match(await run(...right), { code: 2, stderr: /--signing-algorithm <value>' not specified/ });
      t.match(await run(...right, ...algorithm, '--public-key', 'fileb://message'), {
        code: 1,
        stderr: /not a SubjectPublicKeyInfo in DER/,
      });
    },
  );

  await t.test('messages are 1 to 4,096 bytes, digests as long as their hash', async (t) => {
    const keyId = keys.get('ECC_NIST_P384')!;
    const signingAlgorithm = 'ECDSA_SHA_384';
    const longest = Buffer.alloc(4096, 1);
    const { signature } = await client.sign({ keyId, signingAlgorithm, message: longest });
    t.ok(
      (await client.verify({ keyId, signingAlgorithm, message: longest, signature: signature }))
        .signatureValid,
    );
    for (const length of [0, 4097])
      await refuses(
        client.sign({ keyId, signingAlgorithm, message: Buffer.alloc(length) }),
        'ValidationException',
      );
    for (const length of [32, 47, 49, 64]) {
      const request = {
        keyId,
        signingAlgorithm,
        message: Buffer.alloc(length),
        messageType: 'DIGEST',
      } as const;
      await refuses(client.sign(request), 'ValidationException');
      await refuses(client.verify({ ...request, signature: signature }), 'ValidationException');
    }
  });

  await t.test('a message type, algorithm or usage that a key does not have is refused', async () => {
    const p256 = keys.get('ECC_NIST_P256')!;
    const ed25519 = keys.get('ECC_NIST_EDWARDS25519')!;
    const signature = Buffer.alloc(64);
    const attempts = (
      keyId: string,
      signingAlgorithm: SigningAlgorithmSpec,
      messageType?: 'DIGEST' | 'EXTERNAL_MU',
    ) => {
      const request = { keyId, message: Buffer.alloc(64), signingAlgorithm, messageType };
      return [client.sign(request), client.verify({ ...request, signature })];
    };
    for (const attempt of attempts(p256, 'ECDSA_SHA_256', 'EXTERNAL_MU'))
      await refuses(attempt, 'ValidationException');
    for (const attempt of attempts(ed25519, 'ED25519_SHA_512', 'DIGEST'))
      await refuses(attempt, 'ValidationException');
    for (const attempt of attempts(ed25519, 'ED25519_PH_SHA_512', 'DIGEST'))
      await refuses(attempt, 'UnsupportedOperationException');
    for (const algorithm of ['ECDSA_SHA_384', 'RSASSA_PSS_SHA_256', 'ED25519_SHA_512', 'SM2DSA'] as const)
      for (const attempt of attempts(p256, algorithm)) await refuses(attempt, 'InvalidKeyUsageException');
    for (const algorithm of ['ECDSA_SHA_256', 'ML_DSA_SHAKE_256'] as const)
      for (const attempt of attempts(keys.get('RSA_2048')!, algorithm))
        await refuses(attempt, 'InvalidKeyUsageException');
    const symmetric = (await client.createKey({})).keyMetadata.keyId;
    for (const attempt of attempts(symmetric, 'ECDSA_SHA_256'))
      await refuses(attempt, 'InvalidKeyUsageException');
    await refuses(client.getPublicKey({ keyId: symmetric }), 'UnsupportedOperationException');
    await refuses(client.encrypt({ keyId: p256, plaintext: message }), 'InvalidKeyUsageException');
    await refuses(client.generateDataKey({ keyId: p256, keySpec: 'AES_256' }), 'InvalidKeyUsageException');
  });

  await t.test('a dry run reports errors, and does not execute a correct request', async () => {
    const request = { keyId: keys.get('ECC_NIST_P256')!, message, dryRun: true } as const;
    await refuses(client.sign({ ...request, signingAlgorithm: 'ECDSA_SHA_256' }), 'DryRunOperationException');
    const signature = Buffer.alloc(70);
    await refuses(
      client.verify({ ...request, signature, signingAlgorithm: 'ECDSA_SHA_256' }),
      'KMSInvalidSignatureException',
    );
    const right = await client.sign({ ...request, signingAlgorithm: 'ECDSA_SHA_256', dryRun: false });
    await refuses(
      client.verify({ ...request, signature: right.signature, signingAlgorithm: 'ECDSA_SHA_256' }),
      'DryRunOperationException',
    );
    await refuses(client.sign({ ...request, signingAlgorithm: 'ECDSA_SHA_384' }), 'InvalidKeyUsageException');
  });

  await t.test('a disabled key neither signs nor verifies, and shows its public key', async (t) => {
    const keyId = keys.get('ECC_NIST_P256')!;
    const request = { keyId, message, signingAlgorithm: 'ECDSA_SHA_256' } as const;
    await client.disableKey({ keyId });
    await refuses(client.sign(request), 'DisabledException');
    await refuses(client.verify({ ...request, signature: Buffer.alloc(70) }), 'DisabledException');
    t.ok(
      (await client.getPublicKey({ keyId })).publicKey,
      'a disabled key shows its public key, as in AWS KMS',
    );
  });

  await t.test('the usage must be given except for symmetric keys, and must fit the spec', async (t) => {
    const create = (keySpec: KeySpec, keyUsage?: 'SIGN_VERIFY' | 'KEY_AGREEMENT' | 'ENCRYPT_DECRYPT') =>
      client.createKey({ keySpec, keyUsage });
    for (const spec of ['RSA_2048', 'ECC_NIST_P256', 'HMAC_256'] as const)
      await refuses(create(spec), 'ValidationException', spec);
    await refuses(create('HMAC_256', 'SIGN_VERIFY'), 'ValidationException');
    await refuses(create('RSA_2048', 'KEY_AGREEMENT'), 'ValidationException');
    await refuses(create('ECC_NIST_P256', 'ENCRYPT_DECRYPT'), 'ValidationException');
    await refuses(create('ECC_SECG_P256K1', 'KEY_AGREEMENT'), 'ValidationException');
    await refuses(create('ECC_NIST_EDWARDS25519', 'KEY_AGREEMENT'), 'ValidationException');
    for (const spec of ['ML_DSA_44', 'ML_DSA_65', 'ML_DSA_87', 'SM2'] as const)
      await t.rejects(create(spec, 'SIGN_VERIFY'), { code: 'UnsupportedOperationException', message: spec });
    for (const keySpec of ['ML_KEM_512', 'ML_KEM_768', 'ML_KEM_1024'] as const) {
      await refuses(create(keySpec, 'SIGN_VERIFY'), 'ValidationException');
      await t.rejects(client.createKey({ keySpec, keyUsage: 'ENCAPSULATE_DECAPSULATE' }), {
        code: 'UnsupportedOperationException',
        message: /its module lacks CKM_ML_KEM_KEY_PAIR_GEN, CKM_ML_KEM/,
      });
    }
  });

  await t.test('the audit log shows algorithm and message type, but no message or signature', (t) => {
    const events = daemon.auditRecords().filter(({ eventName }) => eventName === 'Sign');
    const parameters = { messageType: 'DIGEST', signingAlgorithm: 'RSASSA_PSS_SHA_512' };
    t.ok(
      events.some(({ requestParameters }) =>
        JSON.stringify(requestParameters).includes(JSON.stringify(parameters).slice(1)),
      ),
    );
    for (const { requestParameters, responseElements } of events) {
      t.equal(responseElements, null);
      t.strictSame(
        Object.keys(requestParameters as object).filter(
          (name) => !/^(keyId|messageType|signingAlgorithm)$/.test(name),
        ),
        [],
      );
    }
    t.end();
  });
});
