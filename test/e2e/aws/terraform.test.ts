// The requests of Terraform's AWS provider for each of its KMS resources and data sources (internal/service/kms, 5.100),
// in its order, and what it checks in the answers. It waits until a read shows what it wrote, and drops a resource from its
// state on some errors, which it recognises by code and message.
import * as kms from '@aws-sdk/client-kms';
import t, { type Test } from 'tap';
import { kmsClient } from '../../support/aws/aws.js';
import { connectedStore } from '../../support/custom-key-store.js';
import { beginLab } from '../../support/lab.js';
import { wrap } from '../../support/wrapping.js';

type Input = Record<string, unknown>;
type Tags = Readonly<Record<string, string>>;

const root = 'arn:aws:iam::000000000000:root';

const policyOf = (Sid: string) =>
  JSON.stringify({
    Id: 'terraform',
    Statement: [{ Action: 'kms:*', Effect: 'Allow', Principal: { AWS: root }, Resource: '*', Sid }],
    Version: '2012-10-17',
  });

/** The configuration of an aws_kms_key. */
interface Configuration {
  readonly input: Input;
  readonly rotationPeriodInDays?: number;
}

const keys: Readonly<Record<string, Configuration>> = {
  symmetric: { input: {} },
  'symmetric, with rotation': { input: {}, rotationPeriodInDays: 120 },
  'RSA, for signatures': { input: { KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' } },
  'RSA, for encryption': { input: { KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' } },
  'elliptic curve, for signatures': { input: { KeySpec: 'ECC_SECG_P256K1', KeyUsage: 'SIGN_VERIFY' } },
  'elliptic curve, for key agreement': { input: { KeySpec: 'ECC_NIST_P384', KeyUsage: 'KEY_AGREEMENT' } },
  HMAC: { input: { KeySpec: 'HMAC_512', KeyUsage: 'GENERATE_VERIFY_MAC' } },
  'in a custom key store': { input: { Origin: 'AWS_CLOUDHSM' } },
};

void t.test('Terraform', async (t) => {
  const { daemon, client, tokens } = await beginLab(t, [{ label: 'lab' }, { label: 'other' }]);
  const CustomKeyStoreId = await connectedStore(client, tokens[0]!);
  const sdk = kmsClient(t, daemon);
  const call = async (name: string, input: Input): Promise<Record<string, unknown>> => {
    const commands = kms as unknown as Record<string, new (input: Input) => never>;
    return (await sdk.send(new commands[`${name}Command`]!(input))) as unknown as Record<string, unknown>;
  };
  const fails = (t: Test, name: string, input: Input, code: string, message = /./) =>
    t.rejects(call(name, input), { name: code, message }, `${name}: ${code}`);
  const describe = async (KeyId: string) =>
    (await call('DescribeKey', { KeyId })).KeyMetadata as kms.KeyMetadata;
  const create = async (input: Input) => (await call('CreateKey', input)).KeyMetadata as kms.KeyMetadata;

  /** resourceKeyRead, resourceExternalKeyRead, resourceKeyPolicyRead: also for an imported resource. */
  const read = async (KeyId: string) => {
    const metadata = await describe(KeyId);
    const { Policy } = await call('GetKeyPolicy', { KeyId, PolicyName: 'default' });
    const rotation =
      metadata.Origin === 'AWS_KMS' ? await call('GetKeyRotationStatus', { KeyId }) : undefined;
    const { Tags } = await call('ListResourceTags', { KeyId });
    const pairs = (Tags as kms.Tag[]).map(({ TagKey, TagValue }) => [TagKey, TagValue]);
    return {
      metadata,
      policy: JSON.parse(Policy as string) as unknown,
      rotationEnabled: rotation?.KeyRotationEnabled,
      period: rotation?.RotationPeriodInDays,
      tags: Object.fromEntries(pairs) as Tags,
    };
  };
  const enable = async (t: Test, KeyId: string, enabled: boolean) => {
    await call(enabled ? 'EnableKey' : 'DisableKey', { KeyId });
    t.equal((await describe(KeyId)).Enabled, enabled);
  };
  const rotate = async (t: Test, KeyId: string, RotationPeriodInDays: number | undefined) => {
    if (RotationPeriodInDays === undefined) await call('DisableKeyRotation', { KeyId });
    else await call('EnableKeyRotation', { KeyId, RotationPeriodInDays });
    const { rotationEnabled, period } = await read(KeyId);
    t.same([rotationEnabled, period], [RotationPeriodInDays !== undefined, RotationPeriodInDays]);
  };
  const putPolicy = async (t: Test, KeyId: string, Sid: string) => {
    const Policy = policyOf(Sid);
    const BypassPolicyLockoutSafetyCheck = false;
    await call('PutKeyPolicy', { KeyId, Policy, PolicyName: 'default', BypassPolicyLockoutSafetyCheck });
    t.same((await read(KeyId)).policy, JSON.parse(Policy));
  };
  const setTags = async (t: Test, KeyId: string, removed: readonly string[], changed: Tags, all: Tags) => {
    const Tags = Object.entries(changed).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
    if (removed.length > 0) await call('UntagResource', { KeyId, TagKeys: removed });
    if (Tags.length > 0) await call('TagResource', { KeyId, Tags });
    t.same((await read(KeyId)).tags, all);
  };
  /** resourceKeyDelete, twice: a key that is already deleted is no error. */
  const destroy = async (t: Test, KeyId: string) => {
    const request = { KeyId, PendingWindowInDays: 7 };
    await call('ScheduleKeyDeletion', request);
    t.equal((await describe(KeyId)).KeyState, 'PendingDeletion');
    const pending = /is pending deletion/;
    await fails(t, 'ScheduleKeyDeletion', request, 'KMSInvalidStateException', pending);
    t.equal((await read(KeyId)).rotationEnabled || false, false);
  };

  for (const [name, { input, rotationPeriodInDays }] of Object.entries(keys)) {
    await t.test(`aws_kms_key, ${name}`, async (t) => {
      const isOwn = !('Origin' in input);
      const { KeyId = '', Arn } = await create({
        BypassPolicyLockoutSafetyCheck: false,
        KeySpec: 'SYMMETRIC_DEFAULT',
        KeyUsage: 'ENCRYPT_DECRYPT',
        Description: 'one',
        Policy: policyOf('one'),
        Tags: [{ TagKey: 'a', TagValue: '1' }],
        ...input,
        ...(!isOwn && { CustomKeyStoreId }),
      });
      if (rotationPeriodInDays !== undefined) await rotate(t, KeyId, rotationPeriodInDays);
      const made = await read(KeyId);
      t.match(made, { metadata: { Arn, Description: 'one', Enabled: true, ...input }, tags: { a: '1' } });
      t.same(made.policy, JSON.parse(policyOf('one')));
      t.same(
        [made.rotationEnabled, made.period],
        [isOwn ? rotationPeriodInDays !== undefined : undefined, rotationPeriodInDays],
      );
      t.same(await read(Arn!), made, 'reading by the ARN, as after an import, gives the same');

      await enable(t, KeyId, false);
      t.match(await read(KeyId), { metadata: { KeyState: 'Disabled' }, period: rotationPeriodInDays });
      await enable(t, KeyId, true);
      if (rotationPeriodInDays !== undefined) {
        await rotate(t, KeyId, rotationPeriodInDays + 1);
        await rotate(t, KeyId, undefined);
        await rotate(t, KeyId, 365);
      } else if (isOwn) await rotate(t, KeyId, undefined);
      for (const Description of ['two', '']) {
        await call('UpdateKeyDescription', { KeyId, Description });
        t.equal((await describe(KeyId)).Description, Description);
      }
      await putPolicy(t, KeyId, 'two');
      await setTags(t, KeyId, ['a'], { b: '2', c: '' }, { b: '2', c: '' });
      await setTags(t, KeyId, ['c'], {}, { b: '2' });
      await destroy(t, KeyId);
    });
  }

  await t.test('aws_kms_external_key', async (t) => {
    const { KeyId = '', Arn } = await create({
      BypassPolicyLockoutSafetyCheck: false,
      KeyUsage: 'ENCRYPT_DECRYPT',
      Origin: 'EXTERNAL',
      Policy: policyOf('one'),
    });
    const material = Buffer.alloc(32, 7);
    const pending = new RegExp(`^${Arn} is pending import\\.$`);
    await fails(t, 'DisableKey', { KeyId }, 'KMSInvalidStateException', pending);
    t.match(await read(KeyId), {
      metadata: { KeyState: 'PendingImport', Enabled: false, Origin: 'EXTERNAL' },
    });
    const importIt = async (more: Input) => {
      const parameters = await call('GetParametersForImport', {
        KeyId,
        WrappingAlgorithm: 'RSAES_OAEP_SHA_256',
        WrappingKeySpec: 'RSA_2048',
      });
      const EncryptedKeyMaterial = wrap('RSAES_OAEP_SHA_256', parameters.PublicKey as Uint8Array, material);
      const { ImportToken } = parameters;
      await call('ImportKeyMaterial', { KeyId, ImportToken, EncryptedKeyMaterial, ...more });
      return describe(KeyId);
    };
    const forEver = { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' };
    t.match(await importIt(forEver), { KeyState: 'Enabled', KeyManager: 'CUSTOMER', ...forEver });
    await enable(t, KeyId, false);
    await enable(t, KeyId, true);
    const ValidTo = new Date(Math.floor(Date.now() / 1000 + 86_400) * 1000);
    const expires = { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo };
    t.match(await importIt(expires), { KeyState: 'Enabled', ...expires });
    t.notOk((await importIt(forEver)).ValidTo);
    await putPolicy(t, KeyId, 'two');
    await setTags(t, KeyId, [], { a: '1' }, { a: '1' });
    await destroy(t, KeyId);
  });

  await t.test('aws_kms_key_policy', async (t) => {
    const { KeyId = '' } = await create({});
    await putPolicy(t, KeyId, 'mine');
    const PolicyName = 'default';
    const Policy = policyOf('x').replace(root, 'arn:aws:iam::000000000000:role/not-yet');
    const invalid = /^Policy contains a statement with one or more invalid principals\./;
    await fails(
      t,
      'PutKeyPolicy',
      { KeyId, PolicyName, Policy },
      'MalformedPolicyDocumentException',
      invalid,
    );
    await fails(t, 'CreateKey', { Policy }, 'MalformedPolicyDocumentException', invalid);
    await putPolicy(t, KeyId, 'Enable IAM User Permissions');
  });

  const aliasNamed = async (name: string): Promise<kms.AliasListEntry | undefined> => {
    for (let Marker: unknown, more = true; more;) {
      const page = await call('ListAliases', Marker === undefined ? {} : { Marker });
      const found = (page.Aliases as kms.AliasListEntry[]).find(({ AliasName }) => AliasName === name);
      if (found) return found;
      [Marker, more] = [page.NextMarker, page.Truncated === true];
    }
    return undefined;
  };

  await t.test('aws_kms_alias, and its data source', async (t) => {
    const [one, two] = [
      await create({}),
      await create({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' }),
    ];
    const AliasName = 'alias/terraform';
    const AliasArn = `arn:aws:kms:us-east-1:000000000000:${AliasName}`;
    const nobody = { AliasName, TargetKeyId: '00000000-0000-4000-8000-000000000000' };
    await fails(t, 'CreateAlias', nobody, 'NotFoundException');
    await call('CreateAlias', { AliasName, TargetKeyId: one.KeyId });
    t.match(await aliasNamed(AliasName), { AliasName, AliasArn, TargetKeyId: one.KeyId });
    await call('UpdateAlias', { AliasName, TargetKeyId: one.Arn });
    t.match(await aliasNamed(AliasName), { TargetKeyId: one.KeyId });
    t.match(await describe(AliasName), { Arn: one.Arn });
    t.match(await describe(AliasArn), { Arn: one.Arn });
    await fails(t, 'UpdateAlias', { AliasName, TargetKeyId: two.KeyId }, 'ValidationException');
    await call('DeleteAlias', { AliasName });
    t.equal(await aliasNamed(AliasName), undefined);
    await fails(t, 'DeleteAlias', { AliasName }, 'NotFoundException');
    await fails(t, 'DescribeKey', { KeyId: AliasName }, 'NotFoundException');

    const ofService = 'alias/aws/s3';
    const before = await aliasNamed(ofService);
    t.match(before, { AliasName: ofService });
    t.notOk(before!.TargetKeyId, 'the key does not exist before its first use');
    const { KeyId } = await describe(ofService);
    t.match(await aliasNamed(ofService), { TargetKeyId: KeyId });
  });

  await t.test('aws_kms_grant', async (t) => {
    const { KeyId = '', Arn } = await create({});
    const { KeyId: macKey = '' } = await create({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' });
    const grantOf = async (key: string, grantId: unknown) => {
      const { Grants } = await call('ListGrants', { KeyId: key, Limit: 100 });
      return (Grants as kms.GrantListEntry[]).find(({ GrantId }) => GrantId === grantId);
    };
    const context = { Department: 'Finance', a: 'b' };
    const encrypting = ['Encrypt', 'Decrypt', 'GenerateDataKey'];
    // The provider sends a constraint that is not configured as an empty map.
    const rows: readonly [KeyId: string, more: Input, shown: Input | undefined][] = [
      [KeyId, { Operations: encrypting, Name: 'named', RetiringPrincipal: root }, undefined],
      [
        Arn!,
        {
          Operations: encrypting,
          Constraints: { EncryptionContextEquals: context, EncryptionContextSubset: {} },
        },
        { EncryptionContextEquals: context },
      ],
      [
        KeyId,
        {
          Operations: [...encrypting, 'RetireGrant'],
          Constraints: { EncryptionContextEquals: {}, EncryptionContextSubset: context },
        },
        { EncryptionContextSubset: context },
      ],
      [macKey, { Operations: ['GenerateMac', 'VerifyMac', 'DescribeKey'] }, undefined],
    ];
    for (const [index, [key, more, shown]] of rows.entries()) {
      const { GrantId } = await call('CreateGrant', { KeyId: key, GranteePrincipal: root, ...more });
      const found = await grantOf(key, GrantId);
      const wanted = { GranteePrincipal: root, ...more, Constraints: shown };
      t.match(found, wanted, `grant ${index}`);
      t.same(found!.Constraints, shown);
      const name = index % 2 ? 'RetireGrant' : 'RevokeGrant';
      await call(name, { KeyId: key, GrantId });
      t.equal(await grantOf(key, GrantId), undefined);
      await fails(t, name, { KeyId: key, GrantId }, 'NotFoundException');
    }
    const notYet = { KeyId, GranteePrincipal: root.replace('root', 'role/not-yet'), Operations: ['Encrypt'] };
    await fails(t, 'CreateGrant', notYet, 'InvalidArnException');
    const both = { EncryptionContextEquals: context, EncryptionContextSubset: context };
    const two = { KeyId, GranteePrincipal: root, Operations: ['Encrypt'], Constraints: both };
    await fails(t, 'CreateGrant', two, 'ValidationException', /^More than one constraint supplied$/);
  });

  await t.test(
    'aws_kms_ciphertext, aws_kms_secrets, aws_kms_public_key, aws_kms_key_last_usage',
    async (t) => {
      const { KeyId = '', Arn } = await create({});
      const request = { KeyId, Plaintext: Buffer.from('hello'), EncryptionContext: { a: 'b' } };
      const { CiphertextBlob } = await call('Encrypt', request);
      const { Plaintext } = await call('Decrypt', { CiphertextBlob, EncryptionContext: { a: 'b' } });
      t.equal(Buffer.from(Plaintext as Uint8Array).toString(), 'hello');
      t.match(await call('GetKeyLastUsage', { KeyId }), {
        KeyId: Arn,
        KeyCreationDate: Date,
        TrackingStartDate: Date,
      });
      const { Arn: signing } = await create({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
      t.match(await call('GetPublicKey', { KeyId: signing }), {
        KeyId: signing,
        CustomerMasterKeySpec: 'ECC_NIST_P256',
        KeyUsage: 'SIGN_VERIFY',
        SigningAlgorithms: ['ECDSA_SHA_256'],
        PublicKey: Uint8Array,
      });
    },
  );

  await t.test('aws_kms_custom_key_store, and its data source', async (t) => {
    const [, token] = tokens;
    const settings = {
      CloudHsmClusterId: token!.clusterId,
      CustomKeyStoreName: 'one',
      TrustAnchorCertificate: 'trust anchor',
    };
    const made = await call('CreateCustomKeyStore', { ...settings, KeyStorePassword: token!.pin });
    const named = { CustomKeyStoreId: made.CustomKeyStoreId };
    const shown = async (filter: Input) =>
      ((await call('DescribeCustomKeyStores', filter)).CustomKeyStores as kms.CustomKeyStoresListEntry[])[0];
    t.match(await shown(named), { ...named, ...settings });
    t.match(await shown({ CustomKeyStoreName: 'one' }), named);
    const { CloudHsmClusterId } = settings;
    await call('UpdateCustomKeyStore', { ...named, CloudHsmClusterId, NewCustomKeyStoreName: 'two' });
    t.match(await shown(named), { CustomKeyStoreName: 'two' });
    await call('DeleteCustomKeyStore', named);
    for (const name of ['DescribeCustomKeyStores', 'DeleteCustomKeyStore'])
      await fails(t, name, named, 'CustomKeyStoreNotFoundException');
  });

  await t.test('resources that do not exist', async (t) => {
    const KeyId = '00000000-0000-4000-8000-000000000000';
    const requests: Readonly<Record<string, Input>> = {
      DescribeKey: { KeyId },
      GetKeyPolicy: { KeyId, PolicyName: 'default' },
      GetKeyRotationStatus: { KeyId },
      GetKeyLastUsage: { KeyId },
      ListResourceTags: { KeyId },
      ListGrants: { KeyId, Limit: 100 },
      EnableKey: { KeyId },
      DisableKey: { KeyId },
      EnableKeyRotation: { KeyId },
      DisableKeyRotation: { KeyId },
      PutKeyPolicy: { KeyId, PolicyName: 'default', Policy: policyOf('x') },
      GetParametersForImport: { KeyId, WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048' },
      ScheduleKeyDeletion: { KeyId },
    };
    for (const [name, input] of Object.entries(requests))
      await fails(t, name, input, 'NotFoundException', /^Key '\S+' does not exist$/);
  });
});
