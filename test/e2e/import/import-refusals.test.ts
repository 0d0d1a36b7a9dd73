// Imports that are refused: their errors, and nothing of them in the token.
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import {
  describe,
  doesNotExpire,
  newExternalKey,
  type NewKey,
  parametersFor,
  symmetric,
} from '../../support/imports.js';
import { labels, objectFiles } from '../../support/token.js';
import { newMaterial, pkcs8, privateKeyOf } from '../../support/wrapping.js';

const algorithms = [
  'RSAES_OAEP_SHA_1',
  'RSAES_OAEP_SHA_256',
  'RSA_AES_KEY_WRAP_SHA_1',
  'RSA_AES_KEY_WRAP_SHA_256',
] as const;

void t.test('refused imports', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const material = randomBytes(32);
  const before = objectFiles(daemon);
  const leftovers = (t: Test, keyId: string) =>
    t.notOk(labels(daemon).includes(`keyhold/${keyId}`), 'nothing of it is in the token');

  await t.test('algorithms, wrapping keys and key specs that do not fit', async (t) => {
    const keyId = await newExternalKey(client);
    const asked = { keyId, wrappingAlgorithm: 'RSAES_OAEP_SHA_256', wrappingKeySpec: 'RSA_2048' } as const;
    const refused = { code: 'ValidationException' };
    for (const wrappingAlgorithm of ['RSAES_PKCS1_V1_5', 'SM2PKE'] as const) {
      await t.rejects(client.getParametersForImport({ ...asked, wrappingAlgorithm }), {
        ...refused,
        message: `Wrapping algorithm ${wrappingAlgorithm} and wrapping key spec RSA_2048 cannot be used to import a SYMMETRIC_DEFAULT key.`,
      });
    }
    await t.rejects(client.getParametersForImport({ ...asked, wrappingKeySpec: 'SM2' }), refused);
    const p521 = await newExternalKey(client, { keySpec: 'ECC_NIST_P521', keyUsage: 'SIGN_VERIFY' });
    await t.rejects(client.getParametersForImport({ ...asked, keyId: p521 }), {
      ...refused,
      message:
        'Wrapping algorithm RSAES_OAEP_SHA_256 and wrapping key spec RSA_2048 cannot be used to import a ECC_NIST_P521 key.',
    });
    const longer = await parametersFor(client, p521, 'RSAES_OAEP_SHA_256', 'RSA_3072');
    await longer.import(newMaterial('ECC_NIST_P521'));
  });

  await t.test('keys whose material the HSM generates', async (t) => {
    const { keyId } = (await client.createKey({})).keyMetadata;
    const refused = { code: 'UnsupportedOperationException' };
    await t.rejects(parametersFor(client, keyId), refused);
    const request = { keyId: keyId, importToken: material, encryptedKeyMaterial: material };
    await t.rejects(client.importKeyMaterial(request), refused);
    await t.rejects(client.deleteImportedKeyMaterial({ keyId: keyId }), refused);
  });

  await t.test('invalid expiry, and fields that do not fit', async (t) => {
    const keyId = await newExternalKey(client);
    const { wrap, send } = await parametersFor(client, keyId);
    const now = Date.now() / 1000;
    const wrapped = wrap(material);
    const faults = [
      {},
      { expirationModel: 'KEY_MATERIAL_EXPIRES' },
      { ...doesNotExpire, validTo: now + 60 },
      { validTo: now - 1 },
      { validTo: now + 366 * 86_400 },
      { ...doesNotExpire, importType: 'NEW_KEY_MATERIAL', keyMaterialId: 'a'.repeat(64) },
      { ...doesNotExpire, keyMaterialId: 'a'.repeat(63) },
    ] as const;
    for (const fault of faults) await t.rejects(send(wrapped, fault), { code: 'ValidationException' });
    const mac = await newExternalKey(client, { keySpec: 'HMAC_256', keyUsage: 'GENERATE_VERIFY_MAC' });
    const parameters = await parametersFor(client, mac);
    const ofSymmetricKeys = {
      importType: 'NEW_KEY_MATERIAL',
      keyMaterialId: 'a'.repeat(64),
      keyMaterialDescription: 'x',
    } as const;
    for (const [name, value] of Object.entries(ofSymmetricKeys)) {
      await t.rejects(parameters.import(material, { ...doesNotExpire, [name]: value }), {
        code: 'ValidationException',
        message: `Input parameter ${name} cannot be used with HMAC_256 imported keys.`,
      });
    }
    t.equal(await parameters.import(material), undefined, 'the response has no material ID');
    const none = await client.deleteImportedKeyMaterial({ keyId: mac });
    t.same(Object.keys(none), ['keyId']);
    leftovers(t, keyId);
  });

  await t.test('a changed token, a token of another key, and no token', async (t) => {
    const [keyId, other] = [await newExternalKey(client), await newExternalKey(client)];
    const { importToken, wrap } = await parametersFor(client, keyId);
    const encryptedKeyMaterial = wrap(material);
    const invalid = { code: 'InvalidImportTokenException', message: '' };
    const attempt = (token: Uint8Array, id = keyId) =>
      client.importKeyMaterial({ keyId: id, importToken: token, encryptedKeyMaterial, ...doesNotExpire });
    await t.rejects(attempt(importToken, other), invalid);
    for (let at = 0; at < importToken.length; at += 17) {
      const changed = Buffer.from(importToken);
      changed[at]! ^= 1;
      await t.rejects(attempt(changed), invalid, `byte ${at}`);
    }
    for (const length of [1, 31, 32, 33, importToken.length - 1])
      await t.rejects(attempt(importToken.subarray(0, length)), invalid, `${length} bytes`);
    leftovers(t, keyId);
    await attempt(importToken);
  });

  for (const algorithm of algorithms) {
    await t.test(`material that is not wrapped by ${algorithm}, with one error for any fault`, async (t) => {
      const keyId = await newExternalKey(client);
      const { wrap, send, import: importNow } = await parametersFor(client, keyId, algorithm);
      const other = await parametersFor(client, keyId, algorithm);
      const wrapped = wrap(material);
      const sent: [string, Buffer][] = [
        ['of another wrapping key', other.wrap(material)],
        ['random', randomBytes(wrapped.length)],
        ['larger than the modulus', Buffer.alloc(wrapped.length, 0xff)],
        ['longer', Buffer.concat([wrapped, Buffer.alloc(8)])],
        ['longer by one', Buffer.concat([wrapped, Buffer.alloc(1)])],
        ['nothing but zeros', Buffer.alloc(wrapped.length)],
      ];
      for (const length of [1, 255, 256, 257, 264, 272, 280, 295].filter((each) => each !== wrapped.length))
        sent.push([`cut to ${length}`, wrapped.subarray(0, length)]);
      for (let at = 0; at < wrapped.length; at += 37) {
        const changed = Buffer.from(wrapped);
        changed[at]! ^= 0x40;
        sent.push([`changed at ${at}`, changed]);
      }
      for (const [name, bytes] of sent) {
        if (bytes.length === wrapped.length && bytes.equals(wrapped)) continue;
        await t.rejects(send(bytes), { code: 'InvalidCiphertextException', message: '' }, name);
      }
      t.match(await describe(client, keyId), { keyState: 'PendingImport' });
      leftovers(t, keyId);
      await importNow(material);
    });
  }

  await t.test('material that does not fit the key spec', async (t) => {
    const wrongs: [NewKey, Buffer[]][] = [
      [symmetric, [0, 1, 16, 24, 31, 33, 48].map((length) => randomBytes(length))],
      [mac(224), [1, 20, 27, 129, 200].map((length) => randomBytes(length))],
      [mac(256), [28, 31, 129].map((length) => randomBytes(length))],
      [mac(384), [40, 47, 129].map((length) => randomBytes(length))],
      [mac(512), [56, 63, 129].map((length) => randomBytes(length))],
      [
        { keySpec: 'RSA_2048', keyUsage: 'SIGN_VERIFY' },
        [newMaterial('RSA_3072'), rsaWithExponent3(), brokenRsa(), ...otherForms('RSA_2048')],
      ],
      [
        { keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' },
        [
          newMaterial('ECC_NIST_P384'),
          newMaterial('ECC_SECG_P256K1'),
          newMaterial('RSA_2048'),
          ...impossibleEc(),
          ...otherForms('ECC_NIST_P256'),
        ],
      ],
      [
        { keySpec: 'ECC_NIST_EDWARDS25519', keyUsage: 'SIGN_VERIFY' },
        [newMaterial('ECC_NIST_P256'), randomBytes(48), ...otherForms('ECC_NIST_EDWARDS25519')],
      ],
    ];
    for (const [key, materials] of wrongs) {
      for (const algorithm of ['RSA_AES_KEY_WRAP_SHA_1', 'RSA_AES_KEY_WRAP_SHA_256'] as const) {
        const keyId = await newExternalKey(client, key);
        const parameters = await parametersFor(client, keyId, algorithm);
        for (const [index, wrong] of materials.entries()) {
          const name = `${key.keySpec}: wrong material ${index} of ${wrong.length} bytes`;
          const attempt = parameters.import(wrong);
          // RFC 5649 wraps at least one byte, so there is nothing to decrypt.
          const refused =
            wrong.length === 0
              ? { code: 'InvalidCiphertextException', message: '' }
              : {
                  code: 'IncorrectKeyMaterialException',
                  message: /^The key material was decrypted, but /,
                };
          await t.rejects(attempt, refused, name);
        }
        leftovers(t, keyId);
        await parameters.import(newMaterial(key.keySpec));
      }
    }
  });

  await t.test('a fifth wrapping key', async (t) => {
    const keyId = await newExternalKey(client);
    const given = await Promise.allSettled(Array.from({ length: 6 }, () => parametersFor(client, keyId)));
    t.equal(
      given.filter(({ status }) => status === 'fulfilled').length,
      4,
      'the limit applies to simultaneous requests too',
    );
    await t.rejects(parametersFor(client, keyId), { code: 'LimitExceededException', message: /24 hours/ });
    for (const parameters of given)
      if (parameters.status === 'fulfilled') await parameters.value.import(material);
    t.equal(labels(daemon).filter((label) => label === `keyhold/wrapping/${keyId}`).length, 8);
  });

  await t.test('the daemon is healthy, and nothing is left in the token', async (t) => {
    t.ok(objectFiles(daemon) > before);
    t.match(await daemon.health(), { healthy: true });
    await client.close();
    await daemon.stop();
    await daemon.start();
    t.match(await daemon.health(), { healthy: true, warnings: [] });
  });
});

function mac(bits: 224 | 256 | 384 | 512): NewKey {
  return { keySpec: `HMAC_${bits}`, keyUsage: 'GENERATE_VERIFY_MAC' };
}

/** Encodings of private keys other than unencrypted PKCS #8 in DER; and the public key. */
function otherForms(keySpec: NewKey['keySpec']): Buffer[] {
  const key = privateKeyOf(newMaterial(keySpec));
  const type = keySpec.startsWith('RSA') ? 'pkcs1' : 'sec1';
  const own = keySpec === 'ECC_NIST_EDWARDS25519' ? [] : [key.export({ type, format: 'der' })];
  const locked = { cipher: 'aes-256-cbc', passphrase: 'x' };
  return [
    ...own,
    Buffer.from(key.export({ type: 'pkcs8', format: 'pem' })),
    key.export({ type: 'pkcs8', format: 'der', ...locked }),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    randomBytes(32),
  ];
}

function rsaWithExponent3(): Buffer {
  return pkcs8(generateKeyPairSync('rsa', { modulusLength: 2_048, publicExponent: 3 }).privateKey);
}

/** An RSA key whose primes do not belong to its modulus. */
function brokenRsa(): Buffer {
  const [one, two] = [newMaterial('RSA_2048'), newMaterial('RSA_2048')];
  const numbers = privateKeyOf(one).export({ format: 'jwk' });
  const modulus = Buffer.from(numbers.n!, 'base64url');
  const at = two.indexOf(Buffer.from(privateKeyOf(two).export({ format: 'jwk' }).n!, 'base64url'));
  modulus.copy(two, at);
  return two;
}

/** P-256 keys whose private number is 0 or the order of the curve. */
function impossibleEc(): Buffer[] {
  const key = newMaterial('ECC_NIST_P256');
  const number = Buffer.from(privateKeyOf(key).export({ format: 'jwk' }).d!, 'base64url');
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  return [Buffer.alloc(32), order].map((impossible) => {
    const changed = Buffer.from(key);
    impossible.copy(changed, changed.indexOf(number));
    return changed;
  });
}
