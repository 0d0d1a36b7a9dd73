// Every operation through the client, over the unix socket and TLS.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { Client } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';

void t.test('operations', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const { keyMetadata } = await client.createKey({ description: 'first' });
  const keyId = keyMetadata.keyId;
  const arn = keyMetadata.arn;
  const plaintext = Buffer.from('attack at dawn');
  const encryptionContext = JSON.parse('{"purpose":"test","__proto__":"x"}') as Record<string, string>;

  await t.test('a new key is described as AWS KMS describes it', async (t) => {
    t.match(keyMetadata, {
      keyId: /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      arn: `arn:aws:kms:us-east-1:000000000000:key/${keyId}`,
      awsAccountId: '000000000000',
      enabled: true,
      keyState: 'Enabled',
      keyUsage: 'ENCRYPT_DECRYPT',
      keySpec: 'SYMMETRIC_DEFAULT',
      customerMasterKeySpec: 'SYMMETRIC_DEFAULT',
      encryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
      origin: 'AWS_KMS',
      keyManager: 'CUSTOMER',
      multiRegion: false,
      description: 'first',
      currentKeyMaterialId: /^[0-9a-f]{64}$/,
    });
    t.ok(Math.abs(keyMetadata.creationDate - Date.now() / 1000) < 60);
    t.same((await client.describeKey({ keyId })).keyMetadata, keyMetadata);
    // The two objects of a symmetric key of suite 2 do not travel.
    const hmac = { keySpec: 'HMAC_256', keyUsage: 'GENERATE_VERIFY_MAC', multiRegion: true } as const;
    const multiRegion = (await client.createKey(hmac)).keyMetadata;
    t.match(multiRegion, {
      keyId: /^mrk-[0-9a-f]{32}$/,
      multiRegionConfiguration: { multiRegionKeyType: 'PRIMARY' },
    });
  });

  await t.test('a key is found by id, ARN, alias name and alias ARN', async (t) => {
    t.same(await client.createAlias({ aliasName: 'alias/app/one', targetKeyId: keyId }), {});
    const forms = [keyId, arn, 'alias/app/one', 'arn:aws:kms:us-east-1:000000000000:alias/app/one'];
    for (const form of forms) t.equal((await client.describeKey({ keyId: form })).keyMetadata.arn, arn, form);
    const wrong = [
      'alias/none',
      '1234abcd-12ab-34cd-56ef-1234567890ab',
      'nonsense',
      arn.replace('us-east-1', 'eu-west-1'),
      arn.replace('000000000000', '111111111111'),
    ];
    for (const form of wrong)
      await t.rejects(client.describeKey({ keyId: form }), { code: 'NotFoundException' }, form);
    await t.rejects(client.describeKey({ keyId: 'arn:aws:s3:::x' }), { code: 'InvalidArnException' });
    await t.rejects(client.enableKey({ keyId: 'alias/app/one' }), { code: 'NotFoundException' });
    const aliasArn = forms[3]!;
    await t.rejects(client.enableKey({ keyId: aliasArn }), { code: 'InvalidArnException' });
  });

  await t.test('aliases are unique, well-formed, and listed', async (t) => {
    const create = (aliasName: string, targetKeyId = keyId) => client.createAlias({ aliasName, targetKeyId });
    await t.rejects(create('alias/app/one'), { code: 'AlreadyExistsException', retryable: false });
    await t.rejects(create('app'), { code: 'ValidationException' });
    await t.rejects(create('alias/'), { code: 'InvalidAliasNameException' });
    await t.rejects(create('alias/aws/s3'), { code: 'NotAuthorizedException' });
    await t.rejects(create('alias/with space'), { code: 'ValidationException' });
    await t.rejects(create('alias/x', '1234abcd-12ab-34cd-56ef-1234567890ab'), { code: 'NotFoundException' });
    const { aliases = [], truncated } = await client.listAliases({ limit: 100 });
    t.match(
      aliases.filter(({ targetKeyId }) => targetKeyId),
      [{ aliasName: 'alias/app/one', targetKeyId: keyId, aliasArn: /:alias\/app\/one$/ }],
    );
    t.equal(truncated, false);
    t.equal((await client.listAliases({ keyId })).aliases.length, 1);
  });

  await t.test('lists are paged, and only markers from the daemon are accepted', async (t) => {
    for (let index = 0; index < 3; index++) await client.createKey({});
    const all = (await client.listKeys({})).keys.map((key) => key.keyId);
    t.equal(all.length, 5);
    const paged: unknown[] = [];
    let marker: string | undefined;
    do {
      const response = await client.listKeys({ limit: 2, marker });
      paged.push(...response.keys.map((key) => key.keyId));
      t.equal(response.truncated, response.nextMarker !== undefined);
      marker = response.nextMarker;
    } while (marker !== undefined);
    t.same(paged, all);
    await t.rejects(client.listKeys({ marker: '!!' }), { code: 'InvalidMarkerException' });
    await t.rejects(client.listKeys({ limit: 0 }), { code: 'ValidationException' });
    await t.rejects(client.listKeys({ limit: 1001 }), { code: 'ValidationException' });
  });

  await t.test('a ciphertext is decrypted only with the same context', async (t) => {
    for (const length of [1, 15, 16, 17, 4_096]) {
      const bytes = randomBytes(length);
      const encrypted = await client.encrypt({ keyId, plaintext: bytes, encryptionContext });
      t.match(encrypted, { keyId: arn, encryptionAlgorithm: 'SYMMETRIC_DEFAULT' });
      const { ciphertextBlob } = encrypted;
      const decrypted = await client.decrypt({ ciphertextBlob, encryptionContext: { ...encryptionContext } });
      t.match(decrypted, { keyId: arn, encryptionAlgorithm: 'SYMMETRIC_DEFAULT' });
      t.equal(decrypted.keyMaterialId, keyMetadata.currentKeyMaterialId);
      t.same(Buffer.from(decrypted.plaintext), bytes);
    }
    const { ciphertextBlob } = await client.encrypt({ keyId: 'alias/app/one', plaintext, encryptionContext });
    const more = { ...encryptionContext, more: '' };
    const wrongContexts = [undefined, {}, { purpose: 'Test' }, { purpose: 'test' }, more];
    for (const wrong of wrongContexts as (Record<string, string> | undefined)[]) {
      const attempt = client.decrypt({ ciphertextBlob, encryptionContext: wrong });
      await t.rejects(attempt, { code: 'InvalidCiphertextException', message: '', retryable: false });
    }
    t.ok(await client.decrypt({ ciphertextBlob, encryptionContext, keyId: 'alias/app/one' }));
  });

  await t.test('a ciphertext with any byte changed, or truncated, is refused', async (t) => {
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext, encryptionContext });
    const blob = Buffer.from(ciphertextBlob);
    const attempts = [...blob.keys()].map(async (index) => {
      const bad = Buffer.from(blob);
      bad[index]! ^= 1;
      return client.decrypt({ ciphertextBlob: bad, encryptionContext }).then(
        () => 'decrypted',
        (error: { code: string }) => error.code,
      );
    });
    const codes = await Promise.all(attempts);
    // A change of the key ID's bytes or length makes the blob name a missing key, and the error says no more.
    const namesKey = (index: number) => index >= 2 && index < 3 + keyId.length;
    for (const [index, code] of codes.entries()) {
      const isRight =
        code === 'InvalidCiphertextException' || (code === 'AccessDeniedException' && namesKey(index));
      if (!isRight) t.fail(`byte ${index}: ${code}`);
    }
    t.ok(codes.includes('InvalidCiphertextException') && codes.includes('AccessDeniedException'));
    for (let length = 1; length < blob.length; length += 7) {
      const attempt = client.decrypt({ ciphertextBlob: blob.subarray(0, length), encryptionContext });
      await t.rejects(attempt, { code: 'InvalidCiphertextException' });
    }
  });

  await t.test('a ciphertext of another key is IncorrectKeyException if a key is named', async (t) => {
    const other = (await client.createKey({})).keyMetadata.keyId;
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
    await t.rejects(client.decrypt({ ciphertextBlob, keyId: other }), { code: 'IncorrectKeyException' });
    await t.rejects(client.decrypt({ ciphertextBlob, keyId: 'alias/none' }), { code: 'NotFoundException' });
  });

  await t.test('data keys have the requested length, and their ciphertext decrypts to them', async (t) => {
    const cases = [
      [{ keySpec: 'AES_128' }, 16],
      [{ keySpec: 'AES_256' }, 32],
      [{ numberOfBytes: 1 }, 1],
      [{ numberOfBytes: 1_024 }, 1_024],
    ] as const;
    for (const [size, length] of cases) {
      const key = await client.generateDataKey({ keyId, encryptionContext, ...size });
      t.equal(key.plaintext.length, length);
      t.match(key, { keyId: arn, keyMaterialId: keyMetadata.currentKeyMaterialId });
      const opened = await client.decrypt({ ciphertextBlob: key.ciphertextBlob, encryptionContext });
      t.same(opened.plaintext, key.plaintext);
      const without = await client.generateDataKeyWithoutPlaintext({ keyId, encryptionContext, ...size });
      t.notOk('plaintext' in without);
      t.equal(
        (await client.decrypt({ ciphertextBlob: without.ciphertextBlob, encryptionContext })).plaintext
          .length,
        length,
      );
    }
    for (const bad of [
      {},
      { keySpec: 'AES_256', numberOfBytes: 32 },
      { numberOfBytes: 0 },
      { numberOfBytes: 1_025 },
    ] as const) {
      await t.rejects(client.generateDataKey({ keyId, ...bad }), { code: 'ValidationException' });
      await t.rejects(client.generateDataKeyWithoutPlaintext({ keyId, ...bad }), {
        code: 'ValidationException',
      });
    }
  });

  await t.test('re-encryption moves a ciphertext to another key and context', async (t) => {
    const other = (await client.createKey({})).keyMetadata;
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext, encryptionContext });
    const moved = await client.reEncrypt({
      ciphertextBlob,
      sourceEncryptionContext: encryptionContext,
      destinationKeyId: other.keyId,
      destinationEncryptionContext: { now: 'here' },
    });
    t.match(moved, {
      sourceKeyId: arn,
      keyId: other.arn,
      sourceKeyMaterialId: keyMetadata.currentKeyMaterialId,
      destinationKeyMaterialId: other.currentKeyMaterialId,
    });
    const opened = await client.decrypt({
      ciphertextBlob: moved.ciphertextBlob,
      encryptionContext: { now: 'here' },
    });
    t.same(Buffer.from(opened.plaintext), plaintext);
    await t.rejects(client.reEncrypt({ ciphertextBlob, destinationKeyId: other.keyId }), {
      code: 'InvalidCiphertextException',
    });
  });

  await t.test('random bytes have the requested length, and differ', async (t) => {
    for (const numberOfBytes of [1, 32, 1_024]) {
      t.equal((await client.generateRandom({ numberOfBytes })).plaintext.length, numberOfBytes);
    }
    const [a, b] = await Promise.all([
      client.generateRandom({ numberOfBytes: 32 }),
      client.generateRandom({ numberOfBytes: 32 }),
    ]);
    t.notSame(a.plaintext, b.plaintext);
    await t.rejects(client.generateRandom({}), { code: 'ValidationException' });
    await t.rejects(client.generateRandom({ numberOfBytes: 1_025 }), { code: 'ValidationException' });
  });

  await t.test('a disabled key can only be described, until it is enabled', async (t) => {
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
    t.same(await client.disableKey({ keyId }), {});
    t.match((await client.describeKey({ keyId })).keyMetadata, { keyState: 'Disabled', enabled: false });
    const refused: ((client: Client) => Promise<unknown>)[] = [
      (c) => c.encrypt({ keyId, plaintext }),
      (c) => c.decrypt({ ciphertextBlob }),
      (c) => c.generateDataKey({ keyId, keySpec: 'AES_256' }),
      (c) => c.generateDataKeyWithoutPlaintext({ keyId, keySpec: 'AES_256' }),
      (c) => c.reEncrypt({ ciphertextBlob, destinationKeyId: keyId }),
    ];
    for (const attempt of refused) await t.rejects(attempt(client), { code: 'DisabledException' });
    t.same(await client.enableKey({ keyId: arn }), {});
    t.same(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext), plaintext);
  });

  await t.test('a dry run reports success, or the error that the request would get', async (t) => {
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
    const dryRun = true;
    await t.rejects(client.encrypt({ keyId, plaintext, dryRun }), { code: 'DryRunOperationException' });
    await t.rejects(client.decrypt({ ciphertextBlob, dryRun }), { code: 'DryRunOperationException' });
    await t.rejects(client.generateDataKey({ keyId, keySpec: 'AES_256', dryRun }), {
      code: 'DryRunOperationException',
    });
    await t.rejects(client.encrypt({ keyId: 'alias/none', plaintext, dryRun }), {
      code: 'NotFoundException',
    });
  });

  await t.test('unavailable features are refused, never ignored', async (t) => {
    const unsupported = { code: 'UnsupportedOperationException' };
    await t.rejects(client.createKey({ keySpec: 'ML_DSA_44', keyUsage: 'SIGN_VERIFY' }), unsupported);
    await t.rejects(client.generateRandom({ numberOfBytes: 8, recipient: {} }), unsupported);
    await t.rejects(client.createKey({ keyUsage: 'SIGN_VERIFY' }), { code: 'ValidationException' });
    const tags = [
      { tagKey: 'a', tagValue: '1' },
      { tagKey: 'a', tagValue: '2' },
    ];
    await t.rejects(client.createKey({ tags }), { code: 'TagException' });
    await t.rejects(client.encrypt({ keyId, plaintext, encryptionAlgorithm: 'RSAES_OAEP_SHA_1' }), {
      code: 'InvalidKeyUsageException',
    });
  });

  await t.test('plaintexts of 0 and of 4,097 bytes are refused, with the reason', async (t) => {
    for (const length of [0, 4_097]) {
      const attempt = client.encrypt({ keyId, plaintext: Buffer.alloc(length) });
      await t.rejects(attempt, {
        code: 'ValidationException',
        message: /'plaintext' failed to satisfy constraint/,
      });
    }
  });

  await t.test('the same keys are served over wss', async (t) => {
    const remote = await daemon.connect({ url: daemon.wss, ca: daemon.ca });
    const { ciphertextBlob } = await remote.encrypt({ keyId, plaintext });
    t.same(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext), plaintext);
    await remote.close();
  });

  await t.test('each request is one audit event without plaintext and ciphertext', async (t) => {
    const { arn: made } = (await client.createKey({})).keyMetadata;
    t.match(daemon.events('CreateKey').at(-1), {
      resources: [{ accountId: '000000000000', type: 'AWS::KMS::Key', ARN: made }],
      responseElements: { keyMetadata: { arn: made } },
    });
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext, encryptionContext });
    await client.decrypt({ ciphertextBlob, encryptionContext });
    await t.rejects(client.encrypt({ keyId: 'alias/none', plaintext }));
    const [encrypted, decrypted, failed] = daemon
      .auditRecords()
      .filter((record) => record.eventSource)
      .slice(-3);
    const resources = [{ accountId: '000000000000', type: 'AWS::KMS::Key', ARN: arn }];
    t.match(encrypted, {
      eventVersion: '1.11',
      eventSource: 'kms.amazonaws.com',
      eventName: 'Encrypt',
      awsRegion: 'us-east-1',
      sourceIPAddress: 'unix',
      userAgent: /^keyhold-client node\/\d+/,
      userIdentity: {
        type: 'Root',
        arn: 'arn:aws:iam::000000000000:root',
        accessKeyId: daemon.credentials.accessKeyId,
      },
      requestParameters: { keyId, encryptionContext: { purpose: 'test' } },
      responseElements: null,
      additionalEventData: { keyMaterialId: keyMetadata.currentKeyMaterialId },
      readOnly: true,
      resources,
    });
    t.match(decrypted, { eventName: 'Decrypt', resources });
    t.match(failed, { eventName: 'Encrypt', errorCode: 'NotFoundException', resources: [] });
    const log = JSON.stringify(daemon.auditRecords());
    t.notOk(log.includes(plaintext.toString('base64')) || log.includes(plaintext.toString()));
    t.notOk(log.includes(Buffer.from(ciphertextBlob).toString('base64')));
  });
});
