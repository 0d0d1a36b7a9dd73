// Key material from outside: wrapped by OpenSSL, imported, and results checked with the material by Node.
import {
  constants,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  privateDecrypt,
  randomBytes,
  verify,
} from 'node:crypto';
import t, { type Test } from 'tap';
import type { Client } from '../../../client/index.js';
import type { KeySpec } from '../../../proto/generated/messages.js';
import { TestDaemon } from '../../support/daemon.js';
import { describe, doesNotExpire, newExternalKey, type NewKey, symmetric } from '../../support/imports.js';
import { newMaterial, privateKeyOf, wrapWithOpenssl } from '../../support/wrapping.js';

/** Uses a key in every way that its usage allows, and checks the results with the material by Node. */
const uses: Readonly<
  Record<string, (t: Test, client: Client, keyId: string, material: Buffer, spec: KeySpec) => Promise<void>>
> = {
  async ENCRYPT_DECRYPT(t, client, keyId, material, spec) {
    const plaintext = Buffer.from('attack at dawn');
    if (spec === 'SYMMETRIC_DEFAULT') {
      const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
      t.same(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext), plaintext);
      return;
    }
    for (const [encryptionAlgorithm, oaepHash] of [
      ['RSAES_OAEP_SHA_1', 'sha1'],
      ['RSAES_OAEP_SHA_256', 'sha256'],
    ] as const) {
      const { ciphertextBlob } = await client.encrypt({ keyId, plaintext, encryptionAlgorithm });
      const key = { key: privateKeyOf(material), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash };
      t.same(privateDecrypt(key, ciphertextBlob), plaintext);
      t.same(
        Buffer.from((await client.decrypt({ keyId, ciphertextBlob, encryptionAlgorithm })).plaintext),
        plaintext,
      );
    }
  },
  async SIGN_VERIFY(t, client, keyId, material) {
    const message = randomBytes(100);
    const publicKey = createPublicKey(privateKeyOf(material));
    const { publicKey: told, signingAlgorithms } = await client.getPublicKey({ keyId });
    t.same(Buffer.from(told), publicKey.export({ type: 'spki', format: 'der' }));
    for (const signingAlgorithm of signingAlgorithms!) {
      const { signature } = await client.sign({ keyId, message, signingAlgorithm });
      const hash = /SHA_(256|384|512)$/.exec(signingAlgorithm)![1];
      const padding = signingAlgorithm.includes('PSS')
        ? constants.RSA_PKCS1_PSS_PADDING
        : constants.RSA_PKCS1_PADDING;
      const isEdwards = signingAlgorithm.startsWith('ED');
      t.ok(
        verify(
          isEdwards ? null : `sha${hash}`,
          message,
          isEdwards || signingAlgorithm.startsWith('EC') ? publicKey : { key: publicKey, padding },
          signature,
        ),
        signingAlgorithm,
      );
      t.match(await client.verify({ keyId, message, signingAlgorithm, signature: signature }), {
        signatureValid: true,
      });
    }
  },
  async GENERATE_VERIFY_MAC(t, client, keyId, material, spec) {
    const message = randomBytes(100);
    const bits = spec.slice(5);
    const macAlgorithm = `HMAC_SHA_${bits}` as 'HMAC_SHA_256';
    const { mac } = await client.generateMac({ keyId, message, macAlgorithm });
    t.same(Buffer.from(mac), createHmac(`sha${bits}`, material).update(message).digest());
    t.match(await client.verifyMac({ keyId, message, macAlgorithm, mac: mac }), { macValid: true });
  },
  async KEY_AGREEMENT(t, client, keyId, material) {
    const privateKey = privateKeyOf(material);
    const { namedCurve } = privateKey.asymmetricKeyDetails!;
    const peer = generateKeyPairSync('ec', { namedCurve: namedCurve! }).publicKey;
    const publicKey = peer.export({ type: 'spki', format: 'der' });
    const { sharedSecret } = await client.deriveSharedSecret({
      keyId,
      keyAgreementAlgorithm: 'ECDH',
      publicKey,
    });
    t.same(Buffer.from(sharedSecret), diffieHellman({ privateKey, publicKey: peer }));
    const told = await client.getPublicKey({ keyId });
    t.same(Buffer.from(told.publicKey), createPublicKey(privateKey).export({ type: 'spki', format: 'der' }));
  },
};

const algorithms = [
  'RSAES_OAEP_SHA_1',
  'RSAES_OAEP_SHA_256',
  'RSA_AES_KEY_WRAP_SHA_1',
  'RSA_AES_KEY_WRAP_SHA_256',
] as const;
const keys: readonly NewKey[] = [
  symmetric,
  ...([224, 256, 384, 512] as const).map(
    (bits) => ({ keySpec: `HMAC_${bits}`, keyUsage: 'GENERATE_VERIFY_MAC' }) as const,
  ),
  { keySpec: 'RSA_2048', keyUsage: 'SIGN_VERIFY' },
  { keySpec: 'RSA_2048', keyUsage: 'ENCRYPT_DECRYPT' },
  { keySpec: 'RSA_3072', keyUsage: 'SIGN_VERIFY' },
  { keySpec: 'RSA_4096', keyUsage: 'SIGN_VERIFY' },
  ...(['ECC_NIST_P256', 'ECC_NIST_P384', 'ECC_NIST_P521'] as const).flatMap((keySpec) => [
    { keySpec, keyUsage: 'SIGN_VERIFY' } as const,
    { keySpec, keyUsage: 'KEY_AGREEMENT' } as const,
  ]),
  { keySpec: 'ECC_SECG_P256K1', keyUsage: 'SIGN_VERIFY' },
  { keySpec: 'ECC_NIST_EDWARDS25519', keyUsage: 'SIGN_VERIFY' },
];

void t.test('every algorithm with every key spec', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  for (const key of keys) {
    for (const algorithm of algorithms) {
      const { keySpec, keyUsage } = key;
      await t.test(`${keySpec} ${keyUsage} wrapped by ${algorithm}`, async (t) => {
        const material = newMaterial(keySpec);
        const keyId = await newExternalKey(client, key);
        t.match(await describe(client, keyId), {
          keyState: 'PendingImport',
          enabled: false,
          origin: 'EXTERNAL',
        });
        const asked = { keyId, wrappingAlgorithm: algorithm, wrappingKeySpec: 'RSA_2048' } as const;
        const isShort = !algorithm.startsWith('RSAES');
        if (!isShort && (keySpec.startsWith('RSA') || keySpec === 'ECC_NIST_P521')) {
          await t.rejects(client.getParametersForImport(asked), { code: 'ValidationException' });
          return;
        }
        const { importToken, publicKey } = await client.getParametersForImport(asked);
        const encryptedKeyMaterial = wrapWithOpenssl(algorithm, publicKey, material);
        const imported = await client.importKeyMaterial({
          keyId,
          importToken: importToken,
          encryptedKeyMaterial,
          ...doesNotExpire,
        });
        t.match(imported, { keyId: /:key\// });
        t.equal(/^[0-9a-f]{64}$/.test(imported.keyMaterialId ?? ''), keySpec === 'SYMMETRIC_DEFAULT');
        const described = await describe(client, keyId);
        t.match(described, { keyState: 'Enabled', enabled: true, ...doesNotExpire });
        const leftHsm = algorithm.endsWith('SHA_256') || keySpec === 'ECC_NIST_EDWARDS25519';
        t.equal(
          described.keyholdWarnings !== undefined,
          leftHsm,
          'a key whose material was outside the HSM has a warning',
        );
        await uses[keyUsage]!(t, client, keyId, material, keySpec);
      });
    }
  }
});
