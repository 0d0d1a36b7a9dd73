// Encrypt, Decrypt and ReEncrypt with RSA keys, checked by Node's crypto and by openssl.
import { constants, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import t from 'tap';
import type { EncryptionAlgorithmSpec, KeySpec } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';
import { openssl, toPem } from '../../support/certificates/openssl.js';

const hashes = { RSAES_OAEP_SHA_1: 'sha1', RSAES_OAEP_SHA_256: 'sha256' } as const;
const algorithms = Object.keys(hashes) as (keyof typeof hashes)[];
/** Longest plaintexts by algorithm, in bytes. */
const sizes: Partial<Record<KeySpec, readonly [number, number]>> = {
  RSA_2048: [214, 190],
  RSA_3072: [342, 318],
  RSA_4096: [470, 446],
};
const plaintext = Buffer.from('attack at dawn');

void t.test('RSA encryption', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const refuses = (attempt: Promise<unknown>, code: string, name = code) =>
    t.rejects(attempt, { code, retryable: false }, name);
  const symmetric = (await client.createKey({})).keyMetadata;
  const keys = new Map<string, string>();

  for (const [keySpec, longest] of Object.entries(sizes) as [KeySpec, readonly [number, number]][]) {
    await t.test(`${keySpec} decrypts what it, Node and openssl encrypted`, async (t) => {
      const { keyMetadata } = await client.createKey({ keySpec, keyUsage: 'ENCRYPT_DECRYPT' });
      const keyId = keyMetadata.keyId;
      keys.set(keySpec, keyId);
      t.match(keyMetadata, { keySpec, encryptionAlgorithms: algorithms });
      const { publicKey, encryptionAlgorithms } = await client.getPublicKey({ keyId });
      t.same(encryptionAlgorithms, algorithms);
      const key = createPublicKey({ key: Buffer.from(publicKey), type: 'spki', format: 'der' });
      for (const [index, encryptionAlgorithm] of algorithms.entries()) {
        const opens = async (ciphertextBlob: Uint8Array, expected: Buffer) => {
          const opened = await client.decrypt({ keyId, ciphertextBlob, encryptionAlgorithm });
          t.match(opened, { keyId: keyMetadata.arn, encryptionAlgorithm });
          t.notOk('keyMaterialId' in opened);
          t.ok(Buffer.from(opened.plaintext).equals(expected), `${encryptionAlgorithm}, ${expected.length}`);
        };
        for (const length of [1, 32, longest[index]!]) {
          const bytes = randomBytes(length);
          const made = await client.encrypt({ keyId, plaintext: bytes, encryptionAlgorithm });
          t.match(made, { keyId: keyMetadata.arn, encryptionAlgorithm });
          t.equal(made.ciphertextBlob.length, key.asymmetricKeyDetails!.modulusLength! / 8);
          await opens(made.ciphertextBlob, bytes);
          const padding = constants.RSA_PKCS1_OAEP_PADDING;
          await opens(publicEncrypt({ key, padding, oaepHash: hashes[encryptionAlgorithm] }, bytes), bytes);
        }
        const options = ['rsa_padding_mode:oaep', `rsa_oaep_md:${hashes[encryptionAlgorithm]}`];
        const args = ['pkeyutl', '-encrypt', '-pubin', '-inkey', 'key', '-in', 'plaintext'];
        const files = { key: toPem(publicKey), plaintext };
        await opens(
          openssl([...args, ...options.flatMap((option) => ['-pkeyopt', option])], files),
          plaintext,
        );
        const tooLong = randomBytes(longest[index]! + 1);
        await refuses(
          client.encrypt({ keyId, plaintext: tooLong, encryptionAlgorithm }),
          'ValidationException',
        );
      }
    });
  }
  const keyId = keys.get('RSA_2048')!;

  await t.test('every faulty ciphertext is refused with the same error', async (t) => {
    for (const encryptionAlgorithm of algorithms) {
      const { ciphertextBlob } = await client.encrypt({ keyId, plaintext, encryptionAlgorithm });
      const right = Buffer.from(ciphertextBlob);
      const other = algorithms.find((name) => name !== encryptionAlgorithm)!;
      const flipped = Buffer.from(right);
      flipped[100]! ^= 1;
      const { publicKey } = await client.getPublicKey({ keyId });
      const key = createPublicKey({ key: Buffer.from(publicKey), type: 'spki', format: 'der' });
      const raw = (encoded: Buffer) => publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded);
      const wrong = [
        flipped,
        right.subarray(1),
        Buffer.concat([right, Buffer.of(0)]),
        Buffer.concat([Buffer.of(0), right]),
        Buffer.alloc(256),
        Buffer.alloc(256, 255),
        raw(Buffer.concat([Buffer.of(0), randomBytes(255)])),
        raw(Buffer.concat([Buffer.of(1), randomBytes(255)])),
        Buffer.from((await client.encrypt({ keyId, plaintext, encryptionAlgorithm: other })).ciphertextBlob),
        Buffer.from((await client.encrypt({ keyId: symmetric.keyId, plaintext })).ciphertextBlob),
      ];
      for (const [index, bad] of wrong.entries())
        await t.rejects(
          client.decrypt({ keyId, ciphertextBlob: bad, encryptionAlgorithm }),
          { code: 'InvalidCiphertextException', message: '' },
          `${encryptionAlgorithm} ${index}`,
        );
    }
  });

  await t.test('an RSA ciphertext does not identify its key, so the key must be named', async (t) => {
    const encryptionAlgorithm = 'RSAES_OAEP_SHA_256';
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext, encryptionAlgorithm });
    await t.rejects(client.decrypt({ ciphertextBlob, encryptionAlgorithm }));
    await refuses(client.decrypt({ keyId, ciphertextBlob }), 'InvalidCiphertextException');
    await refuses(client.encrypt({ keyId, plaintext }), 'InvalidKeyUsageException');
    await refuses(
      client.encrypt({ keyId: symmetric.keyId, plaintext, encryptionAlgorithm }),
      'InvalidKeyUsageException',
    );
    await refuses(client.generateDataKey({ keyId, keySpec: 'AES_256' }), 'InvalidKeyUsageException');
  });

  await t.test('an encryption context is refused, since RSA cannot bind a ciphertext to it', async () => {
    const request = {
      keyId,
      encryptionAlgorithm: 'RSAES_OAEP_SHA_1',
      encryptionContext: { a: 'b' },
    } as const;
    await refuses(client.encrypt({ ...request, plaintext }), 'ValidationException');
    await refuses(client.decrypt({ ...request, ciphertextBlob: Buffer.alloc(256) }), 'ValidationException');
  });

  await t.test('ReEncrypt moves ciphertexts between symmetric and RSA keys', async (t) => {
    const context = { purpose: 'test' };
    const first = await client.encrypt({ keyId: symmetric.keyId, plaintext, encryptionContext: context });
    for (const encryptionAlgorithm of algorithms) {
      const there = await client.reEncrypt({
        ciphertextBlob: first.ciphertextBlob,
        sourceEncryptionContext: context,
        destinationKeyId: keyId,
        destinationEncryptionAlgorithm: encryptionAlgorithm,
      });
      t.match(there, {
        sourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
        destinationEncryptionAlgorithm: encryptionAlgorithm,
        sourceKeyMaterialId: symmetric.currentKeyMaterialId,
      });
      t.notOk('destinationKeyMaterialId' in there);
      const back = await client.reEncrypt({
        ciphertextBlob: there.ciphertextBlob,
        sourceKeyId: keyId,
        sourceEncryptionAlgorithm: encryptionAlgorithm,
        destinationKeyId: symmetric.keyId,
      });
      const { ciphertextBlob } = back;
      t.ok(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext).equals(plaintext));
      const across = await client.reEncrypt({
        ciphertextBlob: there.ciphertextBlob,
        sourceKeyId: keyId,
        sourceEncryptionAlgorithm: encryptionAlgorithm,
        destinationKeyId: keys.get('RSA_3072')!,
        destinationEncryptionAlgorithm: 'RSAES_OAEP_SHA_256',
      });
      const opened = await client.decrypt({
        ciphertextBlob: across.ciphertextBlob,
        keyId: keys.get('RSA_3072')!,
        encryptionAlgorithm: 'RSAES_OAEP_SHA_256',
      });
      t.ok(Buffer.from(opened.plaintext).equals(plaintext));
    }
    const long = await client.encrypt({ keyId: symmetric.keyId, plaintext: randomBytes(191) });
    await refuses(
      client.reEncrypt({
        ciphertextBlob: long.ciphertextBlob,
        destinationKeyId: keyId,
        destinationEncryptionAlgorithm: 'RSAES_OAEP_SHA_256',
      }),
      'ValidationException',
    );
  });

  await t.test('a dry run does nothing', async () => {
    const encryptionAlgorithm: EncryptionAlgorithmSpec = 'RSAES_OAEP_SHA_256';
    await refuses(
      client.encrypt({ keyId, plaintext, encryptionAlgorithm, dryRun: true }),
      'DryRunOperationException',
    );
    await refuses(
      client.decrypt({ keyId, ciphertextBlob: Buffer.alloc(256), encryptionAlgorithm, dryRun: true }),
      'InvalidCiphertextException',
    );
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext, encryptionAlgorithm });
    await refuses(
      client.decrypt({ keyId, ciphertextBlob, encryptionAlgorithm, dryRun: true }),
      'DryRunOperationException',
    );
  });
});
