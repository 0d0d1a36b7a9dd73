// Every operation of AWS KMS through the JavaScript SDK: success, and the errors that its documentation names.
import { constants, createPublicKey, generateKeyPairSync, publicEncrypt, randomBytes } from 'node:crypto';
import * as kms from '@aws-sdk/client-kms';
import t from 'tap';
import { operationTable } from '../../../daemon/operations/table.js';
import { kmsClient } from '../../support/aws/aws.js';
import { beginLab } from '../../support/lab.js';
import { documentedErrors, testedElsewhere, unprovoked } from './documented-errors.js';

type Input = Record<string, unknown>;
type Output = Record<string, never> & Record<string, unknown>;

void t.test('every operation of the table', async (t) => {
  const { daemon, tokens } = await beginLab(
    t,
    [{ label: 'lab' }, { label: 'other' }],
    'limits:\n  failedAuthentications: 1000',
  );
  const client = kmsClient(t, daemon);
  /** By operation: `ok`, and the names of the errors that were returned. */
  const seen = new Map<string, Set<string>>();
  const call = async (name: string, input: Input): Promise<Output> => {
    const commands = kms as unknown as Record<string, new (input: Input) => never>;
    const outcomes = seen.get(name) ?? new Set();
    seen.set(name, outcomes);
    try {
      const output = (await client.send(new commands[`${name}Command`]!(input))) as unknown as Output;
      outcomes.add('ok');
      return output;
    } catch (error) {
      outcomes.add((error as Error).name);
      throw error;
    }
  };
  const fails = async (name: string, input: Input, code: string): Promise<void> => {
    try {
      await call(name, input);
      t.fail(`${name} gives ${code}`);
    } catch (error) {
      const { name: got, $metadata } = error as kms.KMSServiceException;
      t.equal(got, code, `${name} gives ${code}: ${(error as Error).message}`);
      const known = (kms as unknown as Record<string, new () => unknown>)[code];
      if (known) t.ok(error instanceof known, `${name}: ${code} is the SDK's class`);
      t.match($metadata, { httpStatusCode: 400, requestId: /^[0-9a-f-]{36}$/ });
    }
  };
  const key = async (input: Input): Promise<string> => {
    return ((await call('CreateKey', input)).KeyMetadata as unknown as kms.KeyMetadata).KeyId!;
  };

  const [symmetric, rsa, ec, agreement, hmac, external, disabled, ending] = await Promise.all([
    key({ Description: 'symmetric', Tags: [{ TagKey: 'a', TagValue: 'b' }] }),
    key({ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' }),
    key({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
    key({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT' }),
    key({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' }),
    key({ Origin: 'EXTERNAL' }),
    key({}),
    key({}),
  ] as const);
  const like: Record<string, { disabled: string; ending: string }> = {};
  for (const [usage, spec] of [
    ['SIGN_VERIFY', 'ECC_NIST_P256'],
    ['KEY_AGREEMENT', 'ECC_NIST_P256'],
    ['GENERATE_VERIFY_MAC', 'HMAC_256'],
  ])
    like[usage!] = {
      disabled: await key({ KeySpec: spec, KeyUsage: usage }),
      ending: await key({ KeySpec: spec, KeyUsage: usage }),
    };
  for (const id of [disabled, ...Object.values(like).map((each) => each.disabled)])
    await call('DisableKey', { KeyId: id });
  for (const id of [ending, ...Object.values(like).map((each) => each.ending)])
    await call('ScheduleKeyDeletion', { KeyId: id, PendingWindowInDays: 7 });
  const endingExternal = await key({ Origin: 'EXTERNAL' });
  await call('ScheduleKeyDeletion', { KeyId: endingExternal, PendingWindowInDays: 7 });
  await call('CancelKeyDeletion', { KeyId: ending });
  await call('ScheduleKeyDeletion', { KeyId: ending, PendingWindowInDays: 7 });

  const Plaintext = Buffer.from('attack at dawn');
  const Message = Buffer.from('message');
  const context = { EncryptionContext: { a: 'b' } };
  const { CiphertextBlob } = await call('Encrypt', { KeyId: symmetric, Plaintext, ...context });
  const { Signature } = await call('Sign', { KeyId: ec, Message, SigningAlgorithm: 'ECDSA_SHA_256' });
  const { Mac } = await call('GenerateMac', { KeyId: hmac, Message, MacAlgorithm: 'HMAC_SHA_256' });
  const peer = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    type: 'spki',
    format: 'der',
  });
  const wrapping = { KeyId: external, WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048' };
  const parameters = await call('GetParametersForImport', wrapping);
  const wrappingKey = createPublicKey({
    key: Buffer.from(parameters.PublicKey as unknown as Uint8Array),
    type: 'spki',
    format: 'der',
  });
  const wrap = (material: Buffer) =>
    publicEncrypt(
      { key: wrappingKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
      material,
    );
  const imported = {
    KeyId: external,
    ImportToken: parameters.ImportToken,
    EncryptedKeyMaterial: wrap(randomBytes(32)),
    ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
  };

  const root = 'arn:aws:iam::000000000000:root';
  const allows = {
    KeyId: symmetric,
    GranteePrincipal: root,
    Operations: ['Encrypt'],
    RetiringPrincipal: root,
  };
  const granted = await call('CreateGrant', allows);
  const { GrantId } = await call('CreateGrant', allows);
  const { Policy } = await call('GetKeyPolicy', { KeyId: symmetric });

  // Successful requests; those of the set-up above are not repeated.
  const good: [name: string, input: Input][] = [
    ['DescribeKey', { KeyId: symmetric }],
    ['ListKeys', {}],
    ['EnableKey', { KeyId: symmetric }],
    ['UpdateKeyDescription', { KeyId: symmetric, Description: 'other' }],
    ['GetKeyLastUsage', { KeyId: symmetric }],
    ['EnableKeyRotation', { KeyId: symmetric, RotationPeriodInDays: 90 }],
    ['GetKeyRotationStatus', { KeyId: symmetric }],
    ['RotateKeyOnDemand', { KeyId: symmetric }],
    ['ListKeyRotations', { KeyId: symmetric }],
    ['DisableKeyRotation', { KeyId: symmetric }],
    ['CreateAlias', { AliasName: 'alias/one', TargetKeyId: symmetric }],
    ['UpdateAlias', { AliasName: 'alias/one', TargetKeyId: symmetric }],
    ['ListAliases', { KeyId: symmetric }],
    ['TagResource', { KeyId: symmetric, Tags: [{ TagKey: 'c', TagValue: '' }] }],
    ['UntagResource', { KeyId: symmetric, TagKeys: ['c'] }],
    ['ListResourceTags', { KeyId: symmetric }],
    ['Decrypt', { CiphertextBlob, KeyId: symmetric, ...context }],
    ['ReEncrypt', { CiphertextBlob, SourceEncryptionContext: { a: 'b' }, DestinationKeyId: symmetric }],
    ['GenerateDataKey', { KeyId: symmetric, KeySpec: 'AES_256' }],
    ['GenerateDataKeyWithoutPlaintext', { KeyId: symmetric, NumberOfBytes: 16 }],
    ['GenerateDataKeyPair', { KeyId: symmetric, KeyPairSpec: 'ECC_NIST_P256' }],
    ['GenerateDataKeyPairWithoutPlaintext', { KeyId: symmetric, KeyPairSpec: 'ECC_NIST_P256' }],
    ['GenerateRandom', { NumberOfBytes: 16 }],
    ['Verify', { KeyId: ec, Message, Signature, SigningAlgorithm: 'ECDSA_SHA_256' }],
    ['VerifyMac', { KeyId: hmac, Message, Mac, MacAlgorithm: 'HMAC_SHA_256' }],
    ['GetPublicKey', { KeyId: ec }],
    ['DeriveSharedSecret', { KeyId: agreement, PublicKey: peer, KeyAgreementAlgorithm: 'ECDH' }],
    ['PutKeyPolicy', { KeyId: symmetric, Policy }],
    ['ListKeyPolicies', { KeyId: symmetric }],
    ['ListGrants', { KeyId: symmetric }],
    ['ListRetirableGrants', { RetiringPrincipal: root }],
    ['RetireGrant', { KeyId: symmetric, GrantId: granted.GrantId }],
    ['ImportKeyMaterial', imported],
    ['DeleteImportedKeyMaterial', { KeyId: external }],
  ];
  for (const [name, input] of good) await t.resolves(call(name, input), name);
  t.strictSame(
    Buffer.from((await call('Decrypt', { CiphertextBlob, ...context })).Plaintext as unknown as Uint8Array),
    Plaintext,
  );

  // Errors that follow from the key alone.
  const encapsulation = { KeyId: symmetric, EncapsulationAlgorithm: 'ML_KEM' };
  const inputs = new Map<string, Input>([
    ...good,
    ['Encrypt', { KeyId: symmetric, Plaintext }],
    ['Sign', { KeyId: ec, Message, SigningAlgorithm: 'ECDSA_SHA_256' }],
    ['GenerateMac', { KeyId: hmac, Message, MacAlgorithm: 'HMAC_SHA_256' }],
    ['DisableKey', { KeyId: symmetric }],
    ['ScheduleKeyDeletion', { KeyId: symmetric }],
    ['CancelKeyDeletion', { KeyId: symmetric }],
    ['GetParametersForImport', wrapping],
    ['GetKeyPolicy', { KeyId: symmetric }],
    ['CreateGrant', allows],
    ['RetireGrant', { KeyId: symmetric, GrantId }],
    ['RevokeGrant', { KeyId: symmetric, GrantId }],
    ['ReplicateKey', { KeyId: symmetric, ReplicaRegion: 'eu-central-1' }],
    ['UpdatePrimaryRegion', { KeyId: symmetric, PrimaryRegion: 'eu-central-1' }],
    ['Encapsulate', encapsulation],
    ['Decapsulate', { ...encapsulation, SharedSecretCiphertextBlob: Buffer.alloc(768) }],
  ]);
  const usageOf: Record<string, string> = {
    ...Object.fromEntries(['Sign', 'Verify', 'GetPublicKey'].map((name) => [name, 'SIGN_VERIFY'])),
    ...Object.fromEntries(['GenerateMac', 'VerifyMac'].map((name) => [name, 'GENERATE_VERIFY_MAC'])),
    DeriveSharedSecret: 'KEY_AGREEMENT',
  };
  const missing = '11111111-1111-4111-8111-111111111111';
  const keyField = (input: Input) =>
    ['DestinationKeyId', 'TargetKeyId', 'KeyId'].find((name) => name in input);
  for (const [name, input] of inputs) {
    const field = keyField(input);
    const documented = documentedErrors(name);
    const withKey = (id: string) => ({ ...input, [field!]: id });
    const own = like[usageOf[name] ?? ''];
    const isImport = name.includes('Import');
    const fresh = name === 'CreateAlias' ? { AliasName: 'alias/two' } : {};
    const variants: Record<string, Input> = {
      NotFoundException: withKey(missing),
      InvalidArnException: withKey('arn:aws:kms:nowhere'),
      DisabledException: withKey(own?.disabled ?? disabled),
      KMSInvalidStateException: { ...withKey(own?.ending ?? (isImport ? endingExternal : ending)), ...fresh },
      InvalidKeyUsageException: withKey(usageOf[name] === undefined ? ec : symmetric),
    };
    if (name === 'CancelKeyDeletion') variants.KMSInvalidStateException = { KeyId: symmetric };
    if (isImport || /Rotation|RotateKey/.test(name)) variants.UnsupportedOperationException = withKey(hmac);
    if (name === 'GetPublicKey') variants.UnsupportedOperationException = withKey(symmetric);
    if (documented.has('DryRunOperationException') && !(`${name}.DryRunOperationException` in unprovoked))
      await fails(name, { ...input, DryRun: true }, 'DryRunOperationException');
    if (documented.has('InvalidGrantTokenException') && name !== 'RetireGrant')
      await fails(name, { ...input, GrantTokens: ['no token'] }, 'InvalidGrantTokenException');
    for (const [code, changed] of Object.entries(variants)) {
      if (!field || !documented.has(code) || code in unprovoked || `${name}.${code}` in unprovoked) continue;
      await fails(name, changed, code);
    }
  }

  // The others.
  const broken = Buffer.from(CiphertextBlob as unknown as Uint8Array);
  broken[broken.length - 1]! ^= 1;
  const Marker = 'no marker';
  const second = await key({});
  const others: [name: string, input: Input, code: string][] = [
    ['ListKeys', { Marker }, 'InvalidMarkerException'],
    ['ListAliases', { Marker }, 'InvalidMarkerException'],
    ['ListResourceTags', { KeyId: symmetric, Marker }, 'InvalidMarkerException'],
    ['ListKeyRotations', { KeyId: symmetric, Marker }, 'InvalidMarkerException'],
    ['DescribeCustomKeyStores', { Marker }, 'InvalidMarkerException'],
    ['ListGrants', { KeyId: symmetric, Marker }, 'InvalidMarkerException'],
    ['ListRetirableGrants', { RetiringPrincipal: root, Marker }, 'InvalidMarkerException'],
    ['ListRetirableGrants', { RetiringPrincipal: `${root}x` }, 'InvalidArnException'],
    ['ListGrants', { KeyId: symmetric, GrantId: 'x' }, 'InvalidGrantIdException'],
    ['RetireGrant', { KeyId: symmetric, GrantId: 'x' }, 'InvalidGrantIdException'],
    ['RetireGrant', { GrantToken: 'no token' }, 'InvalidGrantTokenException'],
    ['RevokeGrant', { KeyId: symmetric, GrantId: 'x' }, 'InvalidGrantIdException'],
    ['CreateGrant', { ...allows, GrantTokens: ['no token'] }, 'InvalidGrantTokenException'],
    ['CreateKey', { Policy: '{}' }, 'MalformedPolicyDocumentException'],
    ['PutKeyPolicy', { KeyId: symmetric, Policy: '{}' }, 'MalformedPolicyDocumentException'],
    ['CreateAlias', { AliasName: 'alias/one', TargetKeyId: symmetric }, 'AlreadyExistsException'],
    ['CreateAlias', { AliasName: 'alias/', TargetKeyId: symmetric }, 'InvalidAliasNameException'],
    ['UpdateAlias', { AliasName: 'alias/none', TargetKeyId: symmetric }, 'NotFoundException'],
    ['DeleteAlias', { AliasName: 'alias/none' }, 'NotFoundException'],
    ['CreateKey', { Tags: [{ TagKey: 'aws:x', TagValue: '' }] }, 'TagException'],
    ['CreateKey', { KeySpec: 'SM2', KeyUsage: 'SIGN_VERIFY' }, 'UnsupportedOperationException'],
    ['TagResource', { KeyId: symmetric, Tags: [{ TagKey: 'aws:x', TagValue: '' }] }, 'TagException'],
    ['UntagResource', { KeyId: symmetric, TagKeys: ['aws:x'] }, 'TagException'],
    ['Decrypt', { CiphertextBlob: broken, ...context }, 'InvalidCiphertextException'],
    ['Decrypt', { CiphertextBlob, EncryptionContext: { a: 'c' } }, 'InvalidCiphertextException'],
    ['Decrypt', { CiphertextBlob, ...context, KeyId: second }, 'IncorrectKeyException'],
    [
      'ReEncrypt',
      { CiphertextBlob: broken, SourceEncryptionContext: { a: 'b' }, DestinationKeyId: symmetric },
      'InvalidCiphertextException',
    ],
    [
      'ReEncrypt',
      {
        CiphertextBlob,
        SourceEncryptionContext: { a: 'b' },
        SourceKeyId: second,
        DestinationKeyId: symmetric,
      },
      'IncorrectKeyException',
    ],
    [
      'Verify',
      { KeyId: ec, Message: Buffer.from('other'), Signature, SigningAlgorithm: 'ECDSA_SHA_256' },
      'KMSInvalidSignatureException',
    ],
    [
      'VerifyMac',
      { KeyId: hmac, Message: Buffer.from('other'), Mac, MacAlgorithm: 'HMAC_SHA_256' },
      'KMSInvalidMacException',
    ],
    ['GenerateRandom', { NumberOfBytes: 8, CustomKeyStoreId: 'cks-none' }, 'CustomKeyStoreNotFoundException'],
    [
      'Encrypt',
      { KeyId: rsa, Plaintext, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256', ...context },
      'ValidationException',
    ],
    ['ReplicateKey', { KeyId: symmetric, ReplicaRegion: 'eu-central-1' }, 'UnsupportedOperationException'],
    [
      'UpdatePrimaryRegion',
      { KeyId: symmetric, PrimaryRegion: 'eu-central-1' },
      'UnsupportedOperationException',
    ],
    ['GenerateRandom', { NumberOfBytes: 8, Recipient: {} }, 'UnsupportedOperationException'],
    ['Encrypt', { KeyId: symmetric, Plaintext: Buffer.alloc(4097) }, 'ValidationException'],
    ['GenerateDataKeyPair', { KeyId: symmetric, KeyPairSpec: 'SM2' }, 'UnsupportedOperationException'],
    [
      'GenerateDataKeyPairWithoutPlaintext',
      { KeyId: symmetric, KeyPairSpec: 'SM2' },
      'UnsupportedOperationException',
    ],
    ['ImportKeyMaterial', { ...imported, ImportToken: Buffer.from('x') }, 'InvalidImportTokenException'],
    [
      'ImportKeyMaterial',
      { ...imported, EncryptedKeyMaterial: randomBytes(256) },
      'InvalidCiphertextException',
    ],
    [
      'ImportKeyMaterial',
      { ...imported, EncryptedKeyMaterial: wrap(randomBytes(32)) },
      'IncorrectKeyMaterialException',
    ],
  ];
  for (const [name, input, code] of others) await fails(name, input, code);
  await call('DeleteAlias', { AliasName: 'alias/one' });
  await call('RevokeGrant', { KeyId: symmetric, GrantId });

  await t.test('custom key stores', async (t) => {
    const [lab] = tokens;
    const made = {
      CustomKeyStoreName: 'lab',
      CloudHsmClusterId: lab!.clusterId,
      TrustAnchorCertificate: 'x',
      KeyStorePassword: lab!.pin,
    };
    const { CustomKeyStoreId } = await call('CreateCustomKeyStore', made);
    const store = { CustomKeyStoreId };
    await call('UpdateCustomKeyStore', { ...store, NewCustomKeyStoreName: 'renamed' });
    t.match(await call('DescribeCustomKeyStores', store), {
      CustomKeyStores: [{ CustomKeyStoreName: 'renamed' }],
    });
    await call('ConnectCustomKeyStore', store);
    await call('DisconnectCustomKeyStore', store);
    const name = { ...made, CustomKeyStoreName: 'renamed', CloudHsmClusterId: tokens[1]!.clusterId };
    await fails('CreateCustomKeyStore', name, 'CustomKeyStoreNameInUseException');
    await fails(
      'CreateCustomKeyStore',
      { ...made, CustomKeyStoreName: 'x' },
      'CloudHsmClusterInUseException',
    );
    for (const operation of ['Update', 'Connect', 'Disconnect', 'Delete'])
      await fails(
        `${operation}CustomKeyStore`,
        { CustomKeyStoreId: 'cks-none' },
        'CustomKeyStoreNotFoundException',
      );
    await fails(
      'DescribeCustomKeyStores',
      { CustomKeyStoreId: 'cks-none' },
      'CustomKeyStoreNotFoundException',
    );
    const state = async () =>
      (
        (await call('DescribeCustomKeyStores', store))
          .CustomKeyStores as unknown as kms.CustomKeyStoresListEntry[]
      )[0]!.ConnectionState;
    while ((await state()) !== 'DISCONNECTED') await new Promise((done) => setTimeout(done, 50));
    await call('DeleteCustomKeyStore', store);
  });

  const operations = [...operationTable.values()]
    .filter(({ service }) => service === 'kms')
    .map(({ name }) => name);
  t.strictSame(
    operations.filter((name) => !seen.get(name)?.has('ok') && !(name in testedElsewhere)),
    [],
    'every operation has succeeded',
  );
  const untested = operations.flatMap((name) =>
    [...documentedErrors(name)]
      .filter(
        (code) => !seen.get(name)?.has(code) && !(code in unprovoked) && !(`${name}.${code}` in unprovoked),
      )
      // Their own tests are in test/e2e/key-stores.
      .filter((code) => !/^(CustomKeyStore|CloudHsm|Xks|IncorrectTrust)/.test(code))
      .map((code) => `${name}.${code}`),
  );
  t.strictSame(untested, [], 'every documented error was returned');
});
