// Objects that the token lost: only operations that use a missing object fail.
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import type { Client, ServiceError } from '../../../client/index.js';
import { addTokens, connectedStore, reaches } from '../../support/custom-key-store.js';
import { TestDaemon } from '../../support/daemon.js';
import { describe, newExternalKey, parametersFor } from '../../support/imports.js';
import { pkcs11Tool } from '../../support/token.js';

const plaintext = Buffer.from('attack at dawn');
const invalid = { code: 'KMSInvalidStateException' };

/** CKA_IDs of the secret keys with a label, hex. */
function secretIds(daemon: TestDaemon, keyId: string): string[] {
  const listed = pkcs11Tool(daemon, '--list-objects', '--type', 'secrkey');
  return listed
    .split(/^Secret Key Object/m)
    .filter((each) => each.includes(`keyhold/${keyId}`))
    .map((each) => /ID: +([0-9a-f]+)/.exec(each)![1]!);
}

const destroy = (daemon: TestDaemon, type: 'secrkey' | 'privkey' | 'pubkey', name: string[]) =>
  pkcs11Tool(daemon, '--delete-object', '--type', type, ...name);

async function restarted(t: Test, daemon: TestDaemon): Promise<Client> {
  await daemon.start();
  const client = await daemon.connect({ maxAttempts: 1 });
  t.teardown(() => client.close());
  return client;
}

/** A key with two materials, and a ciphertext of each. */
async function rotatedKey(daemon: TestDaemon, client: Client) {
  const keyId = (await client.createKey({})).keyMetadata.keyId;
  const made = async () => (await client.encrypt({ keyId, plaintext })).ciphertextBlob;
  const [oldId] = secretIds(daemon, keyId);
  const old = { blob: await made(), id: oldId! };
  await client.rotateKeyOnDemand({ keyId });
  const newId = secretIds(daemon, keyId).find((id) => id !== oldId)!;
  return { keyId, old, newest: { blob: await made(), id: newId } };
}

const opens = async (client: Client, ciphertextBlob: Uint8Array) =>
  Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext).equals(plaintext);

void t.test('symmetric keys', async (t) => {
  const daemon = await TestDaemon.start(t);
  const first = await daemon.connect();
  const lostNew = await rotatedKey(daemon, first);
  const lostOld = await rotatedKey(daemon, first);
  const whole = (await first.createKey({})).keyMetadata.keyId;
  await first.close();
  await daemon.stop();
  destroy(daemon, 'secrkey', ['--id', lostNew.newest.id]);
  destroy(daemon, 'secrkey', ['--id', lostOld.old.id]);
  const client = await restarted(t, daemon);

  await t.test('health names what is missing', async (t) => {
    const { warnings } = await daemon.health();
    t.equal(warnings.length, 2);
    t.match(
      warnings.join('\n'),
      new RegExp(`material of key ${lostNew.keyId} \\(its current one\\): [0-9a-f]{64}`),
    );
    t.match(warnings.join('\n'), new RegExp(`material of key ${lostOld.keyId}: [0-9a-f]{64}`));
  });

  await t.test('without an old material only its ciphertexts fail', async (t) => {
    const { keyId, old, newest } = lostOld;
    const shown = await describe(client, keyId);
    t.match(shown, { keyState: 'Enabled', keyholdWarnings: [/is missing in the HSM/] });
    t.ok(await opens(client, newest.blob));
    await client.encrypt({ keyId, plaintext });
    await client.generateDataKey({ keyId, keySpec: 'AES_256' });
    await t.rejects(client.decrypt({ ciphertextBlob: old.blob }), invalid);
    await t.rejects(client.reEncrypt({ ciphertextBlob: old.blob, destinationKeyId: whole }), invalid);
    await client.reEncrypt({ ciphertextBlob: newest.blob, destinationKeyId: keyId });
  });

  await t.test(
    'without the newest material old ciphertexts decrypt, and a rotation repairs the key',
    async (t) => {
      const { keyId, old, newest } = lostNew;
      const shown = await describe(client, keyId);
      t.match(shown, { keyState: 'Unavailable', keyholdWarnings: [/the current one.*RotateKeyOnDemand/] });
      t.ok(await opens(client, old.blob));
      await client.reEncrypt({ ciphertextBlob: old.blob, destinationKeyId: whole });
      await t.rejects(client.decrypt({ ciphertextBlob: newest.blob }), invalid);
      await t.rejects(client.encrypt({ keyId, plaintext }), invalid);
      await t.rejects(client.generateDataKey({ keyId, keySpec: 'AES_256' }), invalid);
      const { ciphertextBlob } = await client.encrypt({ keyId: whole, plaintext });
      await t.rejects(client.reEncrypt({ ciphertextBlob, destinationKeyId: keyId }), invalid);
      const disabling = await client
        .disableKey({ keyId })
        .then(() => client.decrypt({ ciphertextBlob: old.blob }))
        .catch((error: ServiceError) => error.code);
      t.equal(disabling, 'DisabledException', 'a disabled key decrypts nothing');
      await client.enableKey({ keyId });
      await client.rotateKeyOnDemand({ keyId });
      t.match(await describe(client, keyId), { keyState: 'Enabled', keyholdWarnings: [/is missing/] });
      const again = (await client.encrypt({ keyId, plaintext })).ciphertextBlob;
      t.ok((await opens(client, again)) && (await opens(client, old.blob)));
      await t.rejects(client.decrypt({ ciphertextBlob: newest.blob }), invalid);
      t.match(daemon.events('RotateKeyOnDemand').at(-1), {
        requestParameters: { keyId },
        errorCode: undefined,
      });
    },
  );
});

void t.test('pairs and HMAC keys', async (t) => {
  const daemon = await TestDaemon.start(t);
  const first = await daemon.connect();
  const pair = { keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' } as const;
  const newKey = async (how: object) => (await first.createKey(how)).keyMetadata.keyId;
  const [lostPrivate, lostPublic] = [await newKey(pair), await newKey(pair)];
  const mac = await newKey({ keySpec: 'HMAC_256', keyUsage: 'GENERATE_VERIFY_MAC' });
  const rsa = await newKey({ keySpec: 'RSA_2048', keyUsage: 'ENCRYPT_DECRYPT' });
  const signed = { message: plaintext, signingAlgorithm: 'ECDSA_SHA_256' } as const;
  const signature = (await first.sign({ keyId: lostPrivate, ...signed })).signature;
  await first.close();
  await daemon.stop();
  for (const id of [lostPrivate, rsa]) destroy(daemon, 'privkey', ['--label', `keyhold/${id}`]);
  destroy(daemon, 'pubkey', ['--label', `keyhold/${lostPublic}`]);
  destroy(daemon, 'secrkey', ['--label', `keyhold/${mac}`]);
  const client = await restarted(t, daemon);
  t.equal((await daemon.health()).warnings.length, 4);

  t.match(await describe(client, lostPrivate), { keyState: 'Unavailable', keyholdWarnings: [/is missing/] });
  await t.rejects(client.sign({ keyId: lostPrivate, ...signed }), invalid);
  t.match(await client.verify({ keyId: lostPrivate, ...signed, signature }), { signatureValid: true });
  t.ok((await client.getPublicKey({ keyId: lostPrivate })).publicKey);

  t.match(await describe(client, lostPublic), {
    keyState: 'Enabled',
    keyholdWarnings: [/lacks its public key/],
  });
  await client.sign({ keyId: lostPublic, ...signed });
  await t.rejects(client.verify({ keyId: lostPublic, ...signed, signature }), invalid);
  await t.rejects(client.getPublicKey({ keyId: lostPublic }), invalid);

  t.match(await describe(client, mac), { keyState: 'Unavailable' });
  const macAlgorithm = 'HMAC_SHA_256';
  await t.rejects(client.generateMac({ keyId: mac, message: plaintext, macAlgorithm }), invalid);
  await t.rejects(client.rotateKeyOnDemand({ keyId: mac }), { code: 'UnsupportedOperationException' });

  const encryptionAlgorithm = 'RSAES_OAEP_SHA_256';
  const { ciphertextBlob } = await client.encrypt({ keyId: rsa, plaintext, encryptionAlgorithm });
  await t.rejects(client.decrypt({ keyId: rsa, ciphertextBlob, encryptionAlgorithm }), invalid);
});

void t.test('imported material', async (t) => {
  const daemon = await TestDaemon.start(t);
  const first = await daemon.connect();
  const keyId = await newExternalKey(first);
  const pairId = await newExternalKey(first, { keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' });
  const materials = [randomBytes(32), randomBytes(32)] as const;
  const parameters = await parametersFor(first, keyId);
  const forever = { expirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' } as const;
  await parameters.import(materials[0]);
  const [oldId] = secretIds(daemon, keyId);
  const old = (await first.encrypt({ keyId, plaintext })).ciphertextBlob;
  await parameters.import(materials[1], { ...forever, importType: 'NEW_KEY_MATERIAL' });
  await first.rotateKeyOnDemand({ keyId });
  const newest = (await first.encrypt({ keyId, plaintext })).ciphertextBlob;
  const newId = secretIds(daemon, keyId).find((id) => id !== oldId)!;
  t.match(await describe(first, pairId), { keyState: 'PendingImport' });
  await first.close();
  await daemon.stop();
  destroy(daemon, 'secrkey', ['--id', newId]);
  const client = await restarted(t, daemon);
  t.match(await describe(client, keyId), { keyState: 'PendingImport', keyholdWarnings: [/Import it again/] });
  t.ok(await opens(client, old));
  await t.rejects(client.decrypt({ ciphertextBlob: newest }), invalid);
  await t.rejects(client.encrypt({ keyId, plaintext }), invalid);
  const anew = await parametersFor(client, keyId);
  await t.rejects(anew.import(randomBytes(32)), { code: 'IncorrectKeyMaterialException' });
  await anew.import(materials[1]);
  t.match(await describe(client, keyId), { keyState: 'Enabled', keyholdWarnings: undefined });
  t.ok((await opens(client, newest)) && (await opens(client, old)));
  await client.encrypt({ keyId, plaintext });
  t.same((await daemon.health()).warnings, []);

  await client.close();
  await daemon.stop();
  destroy(daemon, 'secrkey', ['--id', oldId!]);
  const again = await restarted(t, daemon);
  t.match(await describe(again, keyId), { keyState: 'Enabled' });
  await t.rejects(again.decrypt({ ciphertextBlob: old }), invalid);
  await (await parametersFor(again, keyId)).import(materials[0]);
  t.ok((await opens(again, newest)) && (await opens(again, old)));
});

void t.test('a material of two secret keys, one of which is missing', async (t) => {
  process.env.KEYHOLD_TEST_PROFILE = 'suite: 2';
  t.teardown(() => delete process.env.KEYHOLD_TEST_PROFILE);
  const daemon = await TestDaemon.start(t, undefined, { own: true });
  const first = await daemon.connect();
  const { keyId, old, newest } = await rotatedKey(daemon, first);
  await first.close();
  await daemon.stop();
  // The tool deletes the first of the two that it finds.
  destroy(daemon, 'secrkey', ['--id', newest.id]);
  t.equal(secretIds(daemon, keyId).length, 3);
  const client = await restarted(t, daemon);
  t.match(await describe(client, keyId), { keyState: 'Unavailable', keyholdWarnings: [/is missing/] });
  t.ok(await opens(client, old.blob));
  await t.rejects(client.encrypt({ keyId, plaintext }), invalid);
  await client.rotateKeyOnDemand({ keyId });
  await client.encrypt({ keyId, plaintext });
});

void t.test('a migrated key: each ciphertext needs only the store of its material', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const [lab] = addTokens(daemon, { label: 'lab' });
  const client = await restarted(t, daemon);
  const customKeyStoreId = await connectedStore(client, lab!);
  const keyId = (await client.createKey({})).keyMetadata.keyId;
  const old = (await client.encrypt({ keyId, plaintext })).ciphertextBlob;
  t.match(await daemon.cli(['migrate', '--from', 'default', '--to', 'lab', '--key-id', keyId]), { code: 0 });
  const newest = (await client.encrypt({ keyId, plaintext })).ciphertextBlob;
  await client.disconnectCustomKeyStore({ customKeyStoreId });
  t.ok(await reaches(client, customKeyStoreId, 'DISCONNECTED'));
  const shown = await describe(client, keyId);
  t.match(shown, { keyState: 'Unavailable', keyholdWarnings: undefined });
  t.ok(await opens(client, old), 'the material in the default store decrypts');
  await t.rejects(client.decrypt({ ciphertextBlob: newest }), invalid);
  await t.rejects(client.encrypt({ keyId, plaintext }), invalid);
});
