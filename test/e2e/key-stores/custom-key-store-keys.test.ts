// Keys in custom key stores; the tokens of two stores do not affect each other.
import { createPublicKey } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { connectedStore, describeStore, type LabToken, reaches } from '../../support/custom-key-store.js';
import { beginLab } from '../../support/lab.js';
import { labels } from '../../support/token.js';
import { newKey, stateOf, until } from './store-keys.js';

const plaintext = Buffer.from('attack at dawn');

const codeOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'ok',
    (error: { code: string }) => error.code,
  );

void t.test('keys of a custom key store', async (t) => {
  const { daemon, client, tokens } = await beginLab(t, [{ label: 'lab' }, { label: 'other' }]);
  const [lab, other] = tokens as [LabToken, LabToken];
  const customKeyStoreId = await connectedStore(client, lab);
  const otherId = await connectedStore(client, other);

  await t.test('are in its token and in no other, whatever their spec', async (t) => {
    const symmetric = await newKey(client, customKeyStoreId);
    t.match(symmetric, {
      origin: 'AWS_CLOUDHSM',
      customKeyStoreId,
      cloudHsmClusterId: lab.clusterId,
      keyState: 'Enabled',
    });
    t.match((await client.describeKey({ keyId: symmetric.keyId })).keyMetadata, symmetric);
    const { ciphertextBlob } = await client.encrypt({ keyId: symmetric.keyId, plaintext });
    t.same(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext), plaintext);

    const hmac = await newKey(client, customKeyStoreId, 'HMAC_256', 'GENERATE_VERIFY_MAC');
    const macs = { keyId: hmac.keyId, message: plaintext, macAlgorithm: 'HMAC_SHA_256' } as const;
    t.ok((await client.verifyMac({ ...macs, mac: (await client.generateMac(macs)).mac })).macValid);

    const ec = await newKey(client, customKeyStoreId, 'ECC_NIST_P256', 'SIGN_VERIFY');
    const signing = { keyId: ec.keyId, message: plaintext, signingAlgorithm: 'ECDSA_SHA_256' } as const;
    t.ok(
      (await client.verify({ ...signing, signature: (await client.sign(signing)).signature })).signatureValid,
    );
    const { publicKey } = await client.getPublicKey({ keyId: ec.keyId });
    t.ok(createPublicKey({ key: Buffer.from(publicKey), type: 'spki', format: 'der' }));

    const rsa = await newKey(client, customKeyStoreId, 'RSA_2048', 'ENCRYPT_DECRYPT');
    const oaep = { keyId: rsa.keyId, encryptionAlgorithm: 'RSAES_OAEP_SHA_256' } as const;
    const sealed = await client.encrypt({ ...oaep, plaintext });
    const opened = await client.decrypt({ ...oaep, ciphertextBlob: sealed.ciphertextBlob });
    t.same(Buffer.from(opened.plaintext), plaintext);

    const keys = [symmetric, hmac, ec, rsa];
    for (const { keyId } of keys) {
      t.ok(lab.labels.includes(`keyhold/${keyId}`));
      t.notOk(labels(daemon).includes(`keyhold/${keyId}`));
      t.notOk(other.labels.includes(`keyhold/${keyId}`));
    }
    const attributes = lab.tool('--list-objects', '--type', 'secrkey');
    t.match(attributes, /sensitive, always sensitive, never extractable, local/);
  });

  await t.test('serve data keys, data key pairs and random bytes', async (t) => {
    const { keyId } = await newKey(client, customKeyStoreId);
    const dataKey = await client.generateDataKey({ keyId, keySpec: 'AES_256' });
    const decrypted = await client.decrypt({ ciphertextBlob: dataKey.ciphertextBlob });
    t.same(decrypted.plaintext, dataKey.plaintext);
    const pair = await client.generateDataKeyPair({ keyId, keyPairSpec: 'ECC_NIST_P256' });
    const privateKey = await client.decrypt({ ciphertextBlob: pair.privateKeyCiphertextBlob });
    t.same(privateKey.plaintext, pair.privateKeyPlaintext);
    t.equal((await client.generateRandom({ customKeyStoreId, numberOfBytes: 32 })).plaintext.length, 32);
  });

  await t.test('are re-encrypted from store to store', async (t) => {
    const keys = [
      await newKey(client, undefined),
      await newKey(client, customKeyStoreId),
      await newKey(client, otherId),
    ];
    const encryptionContext = { a: 'b' };
    let blob = (await client.encrypt({ keyId: keys[0]!.keyId, plaintext, encryptionContext })).ciphertextBlob;
    for (const index of [1, 2, 0, 2, 1, 0]) {
      const moved = await client.reEncrypt({
        ciphertextBlob: blob,
        destinationKeyId: keys[index]!.keyId,
        sourceEncryptionContext: encryptionContext,
        destinationEncryptionContext: encryptionContext,
      });
      t.equal(moved.keyId, keys[index]!.arn);
      blob = moved.ciphertextBlob!;
    }
    const { plaintext: got } = await client.decrypt({ ciphertextBlob: blob, encryptionContext });
    t.same(Buffer.from(got), plaintext);
    const { ciphertextBlob } = await client.encrypt({ keyId: keys[1]!.keyId, plaintext, encryptionContext });
    const wrong = client.reEncrypt({ ciphertextBlob, destinationKeyId: keys[0]!.keyId });
    await t.rejects(wrong, { code: 'InvalidCiphertextException' }, 'decryption fails without the context');
  });

  await t.test('are not rotated, and are not multi-Region', async (t) => {
    const { keyId } = await newKey(client, customKeyStoreId);
    const unsupported = { code: 'UnsupportedOperationException' };
    await t.rejects(client.enableKeyRotation({ keyId }), unsupported);
    await t.rejects(client.disableKeyRotation({ keyId }), unsupported);
    t.match(await client.getKeyRotationStatus({ keyId }), { keyRotationEnabled: false });
    t.same((await client.listKeyRotations({ keyId })).rotations, []);
    await t.rejects(client.rotateKeyOnDemand({ keyId }), unsupported);
    const multiRegion = { customKeyStoreId, origin: 'AWS_CLOUDHSM', multiRegion: true } as const;
    await t.rejects(client.createKey(multiRegion), unsupported);
    const unknown = {
      customKeyStoreId,
      origin: 'AWS_CLOUDHSM',
      keySpec: 'ML_DSA_44',
      keyUsage: 'SIGN_VERIFY',
    } as const;
    await t.rejects(client.createKey(unknown), unsupported);
  });

  await t.test('are Unavailable while it is not connected, and unchanged when it is again', async (t) => {
    const { keyId } = await newKey(client, customKeyStoreId);
    const { keyId: own } = await newKey(client, undefined);
    const { keyId: beside } = await newKey(client, otherId);
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
    await client.disconnectCustomKeyStore({ customKeyStoreId });
    t.equal(await stateOf(client, keyId), 'Unavailable', 'the key is unavailable at once');
    t.ok(await reaches(client, customKeyStoreId, 'DISCONNECTED'));
    t.same(lab.workers, [], 'no process is left');
    const invalid = 'KMSInvalidStateException';
    t.equal(await codeOf(client.encrypt({ keyId, plaintext })), invalid);
    t.equal(await codeOf(client.decrypt({ ciphertextBlob })), invalid);
    t.equal(await codeOf(client.reEncrypt({ ciphertextBlob, destinationKeyId: own })), invalid);
    const { ciphertextBlob: blobOfOwn } = await client.encrypt({ keyId: own, plaintext });
    const back = client.reEncrypt({ ciphertextBlob: blobOfOwn, destinationKeyId: keyId });
    t.equal(await codeOf(back), invalid);
    t.equal(await codeOf(client.enableKeyRotation({ keyId })), 'UnsupportedOperationException');
    await client.encrypt({ keyId: beside, plaintext });
    await client.tagResource({ keyId, tags: [{ tagKey: 'a', tagValue: 'b' }] });
    await client.createAlias({ aliasName: 'alias/unavailable', targetKeyId: keyId });
    await client.disableKey({ keyId });
    t.equal(await stateOf(client, keyId), 'Unavailable');
    await t.rejects(client.deleteCustomKeyStore({ customKeyStoreId }), {
      code: 'CustomKeyStoreHasCMKsException',
    });
    await client.connectCustomKeyStore({ customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
    t.equal(await stateOf(client, keyId), 'Disabled');
    await client.enableKey({ keyId });
    t.same(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext), plaintext);
  });

  await t.test('are there after a restart, which does not wait for custom key stores', async (t) => {
    const { keyId } = await newKey(client, customKeyStoreId);
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
    await client.disconnectCustomKeyStore({ customKeyStoreId: otherId });
    await daemon.stop();
    lab.hide();
    await daemon.start();
    t.ok(await reaches(client, customKeyStoreId, 'FAILED'));
    t.match(await describeStore(client, customKeyStoreId), {
      connectionErrorCode: 'INSUFFICIENT_CLOUDHSM_HSMS',
    });
    t.equal(await codeOf(client.decrypt({ ciphertextBlob })), 'KMSInvalidStateException');
    t.match(await describeStore(client, otherId), { connectionState: 'DISCONNECTED' });
    t.ok((await client.createKey({})).keyMetadata);
    lab.restore();
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'), 'a token that appears late is found');
    t.same(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext), plaintext);
    t.same((await daemon.health()).warnings, []);
  });

  await t.test('whose object is missing are Unavailable, and foreign objects are left alone', async (t) => {
    const { keyId } = await newKey(client, customKeyStoreId);
    await client.disconnectCustomKeyStore({ customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'DISCONNECTED'));
    lab.tool('--delete-object', '--type', 'secrkey', '--label', `keyhold/${keyId}`);
    lab.tool('--keygen', '--key-type', 'AES:32', '--label', 'theirs', '--id', '02');
    await client.connectCustomKeyStore({ customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
    t.equal(await stateOf(client, keyId), 'Unavailable');
    const { warnings } = await daemon.health();
    t.equal(warnings.length, 2);
    t.match(warnings.join(), new RegExp(`material of key ${keyId}`));
    t.match(warnings.join(), /contains 1 object that does not belong to this Keyhold/);
    t.ok(lab.labels.includes('theirs'));
  });
  t.match(await daemon.admin('audit-verify'), { code: 0 });
});

void t.test('connecting and disconnecting a store under load affects no other store', async (t) => {
  const { daemon, client, tokens } = await beginLab(t, [{ label: 'lab' }]);
  const [lab] = tokens as [LabToken];
  const customKeyStoreId = await connectedStore(client, lab);
  const { keyId } = await newKey(client, customKeyStoreId);
  const { keyId: own } = await newKey(client, undefined);
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
  const answers = { own: new Map<string, number>(), lab: new Map<string, number>(), made: [] as string[] };
  const note = (map: Map<string, number>, code: string) => void map.set(code, (map.get(code) ?? 0) + 1);
  let stopped = false;
  const lane = async (action: () => Promise<void>) => {
    for (; !stopped; await sleep(2)) await action();
  };
  const lanes = [
    ...Array.from({ length: 8 }, () =>
      lane(async () => note(answers.own, await codeOf(client.encrypt({ keyId: own, plaintext })))),
    ),
    ...Array.from({ length: 8 }, () =>
      lane(async () => note(answers.lab, await codeOf(client.decrypt({ ciphertextBlob })))),
    ),
    lane(async () => {
      try {
        answers.made.push((await newKey(client, customKeyStoreId)).keyId);
      } catch (error) {
        note(answers.lab, (error as { code: string }).code);
      }
    }),
  ];
  for (let round = 0; round < 4; round++) {
    await sleep(400);
    await client.disconnectCustomKeyStore({ customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'DISCONNECTED'));
    await sleep(100);
    await client.connectCustomKeyStore({ customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
  }
  await sleep(300);
  stopped = true;
  await Promise.all(lanes);
  t.same([...answers.own.keys()], ['ok']);
  t.same([...answers.lab.keys()].sort(), [
    'CustomKeyStoreInvalidStateException',
    'KMSInvalidStateException',
    'ok',
  ]);
  t.ok(answers.made.length > 0);
  for (const made of answers.made) await client.encrypt({ keyId: made, plaintext });
  const expected = [keyId, ...answers.made].map((each) => `keyhold/${each}`).sort();
  t.same(lab.labels, expected, 'unanswered requests left nothing in the token');
  t.match(await daemon.admin('audit-verify'), { code: 0 });
});

void t.test('a token that is unplugged or hangs takes down only its own store', async (t) => {
  const { client, tokens } = await beginLab(t, [{ label: 'lab' }, { label: 'other' }]);
  const [lab, other] = tokens as [LabToken, LabToken];
  const customKeyStoreId = await connectedStore(client, lab);
  const otherId = await connectedStore(client, other);
  const { keyId } = await newKey(client, customKeyStoreId);
  const well = [await newKey(client, undefined), await newKey(client, otherId)];
  const isWell = async (t: Test) => {
    const began = Date.now();
    for (const { keyId: each } of well) await client.encrypt({ keyId: each, plaintext });
    t.ok(Date.now() - began < 5_000, 'the other stores answer as fast as before');
  };

  await t.test('unplugged and plugged in again', async (t) => {
    lab.hide();
    // New sessions fail, and old ones as soon as the module reads its files.
    for (const pid of lab.workers) process.kill(pid, 'SIGKILL');
    await isWell(t);
    t.match(await codeOf(client.encrypt({ keyId, plaintext })), /KeyUnavailable|KMSInvalidState/);
    t.ok(await reaches(client, customKeyStoreId, 'FAILED'));
    t.match(await describeStore(client, customKeyStoreId), {
      connectionErrorCode: 'INSUFFICIENT_CLOUDHSM_HSMS',
    });
    t.equal(await stateOf(client, keyId), 'Unavailable');
    t.equal(await codeOf(client.encrypt({ keyId, plaintext })), 'KMSInvalidStateException');
    await isWell(t);
    lab.restore();
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
    t.equal(await codeOf(client.encrypt({ keyId, plaintext })), 'ok');
  });

  await t.test('hanging, and disconnected meanwhile', async (t) => {
    const hanging = lab.workers;
    for (const pid of hanging) process.kill(pid, 'SIGSTOP');
    const stuck = codeOf(client.encrypt({ keyId, plaintext }));
    await isWell(t);
    await client.disconnectCustomKeyStore({ customKeyStoreId });
    t.equal((await describeStore(client, customKeyStoreId)).connectionState, 'DISCONNECTING');
    t.equal(await codeOf(client.encrypt({ keyId, plaintext })), 'KMSInvalidStateException');
    const reconnect = client.connectCustomKeyStore({ customKeyStoreId });
    t.equal(await codeOf(reconnect), 'CustomKeyStoreInvalidStateException');
    await isWell(t);
    t.ok(await reaches(client, customKeyStoreId, 'DISCONNECTED', 60_000));
    t.match(await stuck, /KMSInvalidState|KeyUnavailable|DependencyTimeout/);
    t.same(lab.workers, []);
    await client.connectCustomKeyStore({ customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'CONNECTED'));
    t.equal(await codeOf(client.encrypt({ keyId, plaintext })), 'ok');
  });

  await t.test('hanging while it is being connected', async (t) => {
    await client.disconnectCustomKeyStore({ customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'DISCONNECTED'));
    await client.connectCustomKeyStore({ customKeyStoreId });
    t.ok(await until(() => lab.workers.length > 0));
    for (const pid of lab.workers) process.kill(pid, 'SIGSTOP');
    t.equal((await describeStore(client, customKeyStoreId)).connectionState, 'CONNECTING');
    await client.disconnectCustomKeyStore({ customKeyStoreId });
    t.ok(await reaches(client, customKeyStoreId, 'DISCONNECTED', 10_000));
    t.same(lab.workers, []);
  });
});
