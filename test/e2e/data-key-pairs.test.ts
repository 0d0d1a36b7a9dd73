// GenerateDataKeyPair and …WithoutPlaintext of every spec, judged by Node's crypto and by openssl.
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import t from 'tap';
import type { DataKeyPairSpec } from '../../client/index.js';
import { TestDaemon } from '../support/daemon.js';
import { openssl } from '../support/openssl.js';

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
  const key = (await client.createKey({})).keyMetadata!;
  const keyId = key.keyId!;
  const objects = () => client.listKeys({}).then(({ keys }) => keys!.length);
  const keysBefore = await objects();

  /** Checks that both halves belong together, in their one encoding. */
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
      fits(keyPairSpec, pair.privateKeyPlaintext!, pair.publicKey!);
      const ciphertextBlob = pair.privateKeyCiphertextBlob!;
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
      fits(keyPairSpec, later.plaintext!, hidden.publicKey!);
    });
  }

  await t.test('private numbers that begin with a zero keep their length', async (t) => {
    const pairs = await Promise.all(
      Array.from({ length: 800 }, () => client.generateDataKeyPair({ keyId, keyPairSpec: 'ECC_NIST_P256' })),
    );
    for (const { privateKeyPlaintext } of pairs) {
      const der = Buffer.from(privateKeyPlaintext!);
      const again = createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });
      if (!again.export({ type: 'pkcs8', format: 'der' }).equals(der)) t.fail(der.toString('hex'));
    }
    t.ok(
      pairs.some(({ privateKeyPlaintext: der }) => der![36] === 0),
      'some began with a zero',
    );
  });

  await t.test('what is not available, and keys that make no data keys, are refused', async (t) => {
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
    const rsa = created.keyMetadata!.keyId!;
    await refuses(client.generateDataKeyPair({ keyId: rsa, keyPairSpec }), 'InvalidKeyUsageException');
    t.equal(await objects(), keysBefore + 1, 'data key pairs are no keys');
  });

  await t.test('the audit log shows no private key', (t) => {
    const events = daemon.auditRecords().filter(({ eventName }) => eventName === 'GenerateDataKeyPair');
    t.ok(events.length > 800);
    for (const event of events) t.equal(event.responseElements, null);
    t.end();
  });
});
