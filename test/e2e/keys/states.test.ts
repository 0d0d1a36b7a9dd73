// The table of key states and operations of AWS KMS, written down here a second time and checked for every operation.
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import type { Client } from '../../../client/index.js';
import { verdictOf } from '../../../daemon/keys/states.js';
import { keyErrors } from '../../../daemon/pipeline/error-mapping.js';
import { operationTable } from '../../../daemon/operations/table.js';
import type { KeyState } from '../../../proto/generated/messages.js';
import { TestDaemon } from '../../support/daemon.js';
import { doesNotExpire, newExternalKey, parametersFor } from '../../support/imports.js';
import { labels, pkcs11Tool } from '../../support/token.js';

const codes = {
  ok: 'ok',
  Dis: 'DisabledException',
  Inv: 'KMSInvalidStateException',
  Uns: 'UnsupportedOperationException',
} as const;
type Code = keyof typeof codes;

const states: readonly KeyState[] = [
  'Enabled',
  'Disabled',
  'PendingImport',
  'PendingDeletion',
  'Unavailable',
  'Creating',
  'Updating',
  'PendingReplicaDeletion',
];

/**
 * Columns in the order of `states`. Only multi-Region keys have the last three. Where AWS's table refuses what a key that is
 * Updating allows here, or the other way round, a comment says so.
 */
const table: readonly [columns: string, operations: string][] = [
  [
    'ok Dis Inv Inv Inv Inv ok Inv',
    'Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair ' +
      'GenerateDataKeyPairWithoutPlaintext Sign Verify GenerateMac VerifyMac DeriveSharedSecret Encapsulate Decapsulate',
  ],
  // AWS's table refuses it for disabled keys; answers recorded in 2026 return the public key.
  ['ok ok Inv Inv Inv Inv ok Inv', 'GetPublicKey'],
  ['ok Dis Inv Inv ok Inv ok Inv', 'CreateGrant'],
  [
    'ok ok ok ok ok ok ok ok',
    'DescribeKey GetKeyPolicy PutKeyPolicy ListKeyPolicies ListGrants ListResourceTags ListKeyRotations RetireGrant ' +
      'RevokeGrant DeleteAlias GetKeyLastUsage',
  ],
  ['ok ok ok Inv ok ok ok Inv', 'CreateAlias TagResource UntagResource UpdateKeyDescription UpdateAlias'],
  // AWS: Inv if Updating, which lasts a few seconds there.
  ['ok ok Inv Inv ok Inv ok Inv', 'EnableKey DisableKey'],
  ['ok ok ok Inv ok ok Inv Inv', 'ScheduleKeyDeletion'],
  ['Inv Inv Inv ok Inv Inv Inv ok', 'CancelKeyDeletion'],
  // AWS: ok if Updating.
  ['ok Dis Uns Inv Uns Inv Inv Inv', 'EnableKeyRotation DisableKeyRotation'],
  // AWS: Uns, since only keys without rotation are Unavailable there. In Keyhold it repairs a key without its material.
  ['ok Dis Inv Inv ok Inv Inv Inv', 'RotateKeyOnDemand'],
  // AWS: UpdatePrimaryRegion ok if Updating.
  ['ok Dis Inv Inv Inv Inv Inv Inv', 'ReplicateKey UpdatePrimaryRegion'],
  ['ok ok ok ok Uns ok ok ok', 'GetKeyRotationStatus'],
  // AWS: GetParametersForImport Inv if Updating, and ImportKeyMaterial ok.
  ['ok ok ok Inv Uns Inv ok Inv', 'GetParametersForImport ImportKeyMaterial'],
  ['ok ok ok ok Uns Inv Inv ok', 'DeleteImportedKeyMaterial'],
];

const expected = new Map(
  table.flatMap(([columns, operations]) =>
    operations
      .split(' ')
      .map((name) => [name, columns.split(' ').map((code) => codes[code as Code])] as const),
  ),
);

/** Operations that are not about one key. */
const withoutKey = new Set(['CreateKey', 'ListKeys', 'ListAliases', 'GenerateRandom', 'ListRetirableGrants']);

void t.test('every operation accepts the states of the table, and no others', (t) => {
  for (const { name, service, states: row } of operationTable.values()) {
    if (
      service !== 'kms' ||
      withoutKey.has(name) ||
      name.endsWith('CustomKeyStore') ||
      name.endsWith('CustomKeyStores')
    ) {
      t.equal(row, undefined, name);
      continue;
    }
    for (const [index, state] of states.entries()) {
      const verdict = row && verdictOf(row, state);
      const told = verdict === undefined || verdict === 'ok' ? verdict : keyErrors[verdict];
      t.equal(told, expected.get(name)?.[index], `${name} of a key that is ${state}`);
    }
  }
  t.end();
});

void t.test('the daemon refuses what the table refuses', async (t) => {
  const daemon = await TestDaemon.start(t);
  let client = await daemon.connect();
  const plaintext = Buffer.from('x');
  const newKey = async () => (await client.createKey({})).keyMetadata.keyId;
  const keyId = await newKey();
  const other = await newKey();
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
  await client.createAlias({ aliasName: 'alias/other', targetKeyId: other });
  const external = await newExternalKey(client);
  const parameters = await parametersFor(client, external);
  const wrapped = parameters.wrap(randomBytes(32));
  await parameters.send(wrapped);
  const blob = (await client.encrypt({ keyId: external, plaintext })).ciphertextBlob;

  /** Sorts operations that do not change the key's state first. */
  type Attempts = Record<string, (client: Client) => Promise<unknown>>;
  const attemptsOn = (keyId: string, ciphertextBlob: Uint8Array | undefined): Attempts => ({
    Encrypt: (c) => c.encrypt({ keyId, plaintext }),
    Decrypt: (c) => c.decrypt({ ciphertextBlob }),
    ReEncrypt: (c) => c.reEncrypt({ ciphertextBlob, destinationKeyId: other }),
    GenerateDataKey: (c) => c.generateDataKey({ keyId, keySpec: 'AES_256' }),
    GenerateDataKeyWithoutPlaintext: (c) => c.generateDataKeyWithoutPlaintext({ keyId, keySpec: 'AES_256' }),
    DescribeKey: (c) => c.describeKey({ keyId }),
    ListResourceTags: (c) => c.listResourceTags({ keyId }),
    ListKeyRotations: (c) => c.listKeyRotations({ keyId }),
    GetKeyLastUsage: (c) => c.getKeyLastUsage({ keyId }),
    UpdateKeyDescription: (c) => c.updateKeyDescription({ keyId, description: 'changed' }),
    TagResource: (c) => c.tagResource({ keyId, tags: [{ tagKey: 'a', tagValue: 'b' }] }),
    UntagResource: (c) => c.untagResource({ keyId, tagKeys: ['a'] }),
    CreateAlias: (c) => c.createAlias({ aliasName: 'alias/made', targetKeyId: keyId }),
    UpdateAlias: (c) => c.updateAlias({ aliasName: 'alias/other', targetKeyId: keyId }),
    GetKeyRotationStatus: (c) => c.getKeyRotationStatus({ keyId }),
    EnableKeyRotation: (c) => c.enableKeyRotation({ keyId }),
    DisableKeyRotation: (c) => c.disableKeyRotation({ keyId }),
    RotateKeyOnDemand: (c) => c.rotateKeyOnDemand({ keyId }),
  });
  const importAttempts = {
    GetParametersForImport: (c: Client) =>
      c.getParametersForImport({
        keyId: external,
        wrappingAlgorithm: 'RSAES_OAEP_SHA_1',
        wrappingKeySpec: 'RSA_2048',
      }),
    ImportKeyMaterial: (c: Client) =>
      c.importKeyMaterial({
        keyId: external,
        importToken: parameters.importToken,
        encryptedKeyMaterial: wrapped,
        ...doesNotExpire,
      }),
    DeleteImportedKeyMaterial: (c: Client) => c.deleteImportedKeyMaterial({ keyId: external }),
  } satisfies Attempts;
  const outcome = (attempt: Promise<unknown>) =>
    attempt.then(
      () => 'ok',
      (error: { code: string }) => error.code,
    );
  const walk = async (
    t: Test,
    state: KeyState,
    id = keyId,
    attempts: Attempts = attemptsOn(keyId, ciphertextBlob),
  ) => {
    t.equal((await client.describeKey({ keyId: id })).keyMetadata.keyState, state);
    const index = states.indexOf(state);
    for (const [name, attempt] of Object.entries(attempts)) {
      t.equal(
        await outcome(attempt(client)),
        expected.get(name)![index],
        `${name} of a key that is ${state}`,
      );
      await client.updateAlias({ aliasName: 'alias/other', targetKeyId: other });
      await client.deleteAlias({ aliasName: 'alias/made' }).catch(() => undefined);
    }
  };

  await t.test('Enabled', async (t) => {
    await walk(t, 'Enabled');
    await t.rejects(client.cancelKeyDeletion({ keyId }), { code: 'KMSInvalidStateException' });
    await client.enableKey({ keyId });
  });
  await t.test('Disabled', async (t) => {
    await client.disableKey({ keyId });
    await walk(t, 'Disabled');
    await t.rejects(client.cancelKeyDeletion({ keyId }), { code: 'KMSInvalidStateException' });
    await client.disableKey({ keyId });
  });
  await t.test('PendingDeletion', async (t) => {
    await client.scheduleKeyDeletion({ keyId });
    await walk(t, 'PendingDeletion');
    const refused: Promise<unknown>[] = [
      client.enableKey({ keyId }),
      client.disableKey({ keyId }),
      client.scheduleKeyDeletion({ keyId }),
    ];
    for (const attempt of refused) await t.rejects(attempt, { code: 'KMSInvalidStateException' });
    await client.cancelKeyDeletion({ keyId });
    await client.enableKey({ keyId });
  });
  await t.test('PendingImport', async (t) => {
    await client.deleteImportedKeyMaterial({ keyId: external });
    await walk(t, 'PendingImport', external, attemptsOn(external, blob));
    const refused: Promise<unknown>[] = [
      client.enableKey({ keyId: external }),
      client.disableKey({ keyId: external }),
      client.cancelKeyDeletion({ keyId: external }),
    ];
    for (const attempt of refused) await t.rejects(attempt, { code: 'KMSInvalidStateException' });
    await client.scheduleKeyDeletion({ keyId: external });
    await client.cancelKeyDeletion({ keyId: external });
    t.equal((await client.describeKey({ keyId: external })).keyMetadata.keyState, 'PendingImport');
  });
  await t.test('imports in every state', async (t) => {
    const { DeleteImportedKeyMaterial, ...others } = importAttempts;
    await walk(t, 'PendingImport', external, { DeleteImportedKeyMaterial, ...others });
    await walk(t, 'Enabled', external, others);
    await client.disableKey({ keyId: external });
    await walk(t, 'Disabled', external, others);
    await client.enableKey({ keyId: external });
    await client.scheduleKeyDeletion({ keyId: external });
    await walk(t, 'PendingDeletion', external, importAttempts);
    t.equal((await client.describeKey({ keyId: external })).keyMetadata.keyState, 'PendingDeletion');
    await client.cancelKeyDeletion({ keyId: external });
    await others.ImportKeyMaterial(client);
    t.match(await client.decrypt({ ciphertextBlob: blob }), { plaintext });
  });
  await t.test('Unavailable', async (t) => {
    const { ciphertextBlob: newest } = await client.encrypt({ keyId, plaintext });
    await client.close();
    await daemon.stop();
    for (const id of [keyId, external])
      while (labels(daemon).includes(`keyhold/${id}`))
        pkcs11Tool(daemon, '--delete-object', '--type', 'secrkey', '--label', `keyhold/${id}`);
    await daemon.start();
    client = await daemon.connect();
    const { RotateKeyOnDemand, ...others } = attemptsOn(keyId, newest);
    await walk(t, 'Unavailable', keyId, others);
    // Its wrapping keys are used up.
    const { ImportKeyMaterial, DeleteImportedKeyMaterial } = importAttempts;
    const imports = { ImportKeyMaterial, DeleteImportedKeyMaterial };
    await walk(t, 'PendingImport', external, imports);
    await client.disableKey({ keyId });
    await client.enableKey({ keyId });
    await t.rejects(client.cancelKeyDeletion({ keyId }), { code: 'KMSInvalidStateException' });
    await client.scheduleKeyDeletion({ keyId });
    t.equal((await client.describeKey({ keyId })).keyMetadata.keyState, 'PendingDeletion');
    await client.cancelKeyDeletion({ keyId });
    t.equal((await client.describeKey({ keyId })).keyMetadata.keyState, 'Unavailable');
    await client.enableKey({ keyId });
    await RotateKeyOnDemand!(client);
    t.equal((await client.describeKey({ keyId })).keyMetadata.keyState, 'Enabled');
  });
  await client.close();
});
