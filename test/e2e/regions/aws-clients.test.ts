// AWS's own clients with two linked Regions, unmodified: the CLI, boto3, the JavaScript SDK and the Encryption SDK.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  buildAwsKmsMrkAwareDiscoveryMultiKeyringNode,
  buildAwsKmsMrkAwareStrictMultiKeyringNode,
  buildClient,
  CommitmentPolicy,
  KmsKeyringNode,
} from '@aws-crypto/client-node';
import * as kms from '@aws-sdk/client-kms';
import t from 'tap';
import { clientConfig, endpointOf, kmsClient } from '../../support/aws/aws.js';
import { absent, aws, python, sourced } from '../../support/programs.js';
import { here, startLinkedRegions, type TestRegion, there, until } from '../../support/regions.js';

const run = promisify(execFile);
// Outside of scripts/test, tap's limit is 30 s.
t.setTimeout(600_000);

const [primary, replica] = await startLinkedRegions(t);
const regions = [primary, replica];
const account = '000000000000';
const arn = (region: string, keyId: string) => `arn:aws:kms:${region}:${account}:key/${keyId}`;

await t.test('the AWS CLI', { skip: absent(aws, ['--version'], 'the AWS CLI', 'awscli') }, async (t) => {
  const cli =
    ({ daemon }: TestRegion) =>
    async (...args: string[]) => {
      const options = { env: sourced(daemon), cwd: daemon.home };
      const { stdout } = await run(aws, ['--endpoint-url', endpointOf(daemon), 'kms', ...args], options);
      return stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>);
    };
  const fails = (attempt: Promise<unknown>) =>
    attempt.then(
      () => '',
      (error: { stderr: string }) => error.stderr,
    );
  const [atHome, away] = [cli(primary), cli(replica)];
  const described = async (at: typeof atHome, keyId: string) =>
    (await at('describe-key', '--key-id', keyId)).KeyMetadata as kms.KeyMetadata;
  const enabled = (at: typeof atHome, keyId: string) =>
    until(
      () => described(at, keyId),
      ({ KeyState }) => KeyState === 'Enabled',
    );
  const { KeyMetadata } = await atHome('create-key', '--multi-region', '--description', 'one');
  const { KeyId = '' } = KeyMetadata as kms.KeyMetadata;
  const key = ['--key-id', KeyId];

  t.match(
    await atHome('replicate-key', ...key, '--replica-region', there, '--tags', 'TagKey=site,TagValue=b'),
    {
      ReplicaKeyMetadata: {
        Arn: arn(there, KeyId),
        Description: '',
        Enabled: false,
        KeyState: 'Creating',
        MultiRegionConfiguration: {
          MultiRegionKeyType: 'REPLICA',
          PrimaryKey: { Arn: arn(here, KeyId), Region: here },
          ReplicaKeys: [{ Arn: arn(there, KeyId), Region: there }],
        },
      },
      ReplicaPolicy: /"Enable IAM User Permissions"/,
      ReplicaTags: [{ TagKey: 'site', TagValue: 'b' }],
    },
  );
  await enabled(away, KeyId);
  writeFileSync(join(primary.daemon.home, 'message'), 'attack at dawn');
  const { CiphertextBlob } = await atHome('encrypt', ...key, '--plaintext', 'fileb://message');
  writeFileSync(join(replica.daemon.home, 'blob'), Buffer.from(CiphertextBlob as string, 'base64'));
  t.match(await away('decrypt', '--ciphertext-blob', 'fileb://blob'), {
    KeyId: arn(there, KeyId),
    Plaintext: Buffer.from('attack at dawn').toString('base64'),
  });
  t.match(
    await fails(atHome('replicate-key', ...key, '--replica-region', there)),
    /An error occurred \(AlreadyExistsException\) when calling the ReplicateKey operation/,
  );
  t.match(
    await fails(away('enable-key-rotation', ...key)),
    /\(UnsupportedOperationException\) .*is not a multi-region primary key/,
  );
  await atHome('update-primary-region', ...key, '--primary-region', there);
  const moved = await until(
    () => described(away, KeyId),
    ({ MultiRegionConfiguration: { MultiRegionKeyType } = {} }) => MultiRegionKeyType === 'PRIMARY',
  );
  t.match(moved.MultiRegionConfiguration, { PrimaryKey: { Region: there }, ReplicaKeys: [{ Region: here }] });
  await enabled(away, KeyId);
  await enabled(atHome, KeyId);
  const scheduled = await away('schedule-key-deletion', ...key, '--pending-window-in-days', '7');
  t.match(scheduled, { KeyState: 'PendingReplicaDeletion', PendingWindowInDays: 7 });
  t.notOk('DeletionDate' in scheduled);
  t.match(await described(away, KeyId), {
    KeyState: 'PendingReplicaDeletion',
    PendingDeletionWindowInDays: 7,
  });
  await away('cancel-key-deletion', ...key);
  t.match(await described(away, KeyId), { KeyState: 'Disabled' });
});

const boto3 = `
import boto3, sys, time
home, away = (boto3.client('kms', endpoint_url=url, region_name=region, aws_access_key_id=id, aws_secret_access_key=secret, verify=ca)
              for url, region, id, secret, ca in (sys.argv[1:6], sys.argv[6:11]))
region = sys.argv[7]
def wait(kms, key_id, state='Enabled'):
    for _ in range(600):
        metadata = kms.describe_key(KeyId=key_id)['KeyMetadata']
        if metadata['KeyState'] == state: return metadata
        time.sleep(0.1)
    raise SystemExit(metadata)
key = home.create_key(MultiRegion=True, KeySpec='ECC_NIST_P256', KeyUsage='SIGN_VERIFY')['KeyMetadata']
key_id = key['KeyId']
answer = home.replicate_key(KeyId=key['Arn'], ReplicaRegion=region, Description='two')
assert answer['ReplicaKeyMetadata']['Description'] == 'two' and 'ReplicaTags' not in answer, answer
assert wait(away, key_id)['MultiRegionConfiguration']['MultiRegionKeyType'] == 'REPLICA'
request = dict(KeyId=key_id, Message=b'attack at dawn', SigningAlgorithm='ECDSA_SHA_256')
assert away.verify(Signature=home.sign(**request)['Signature'], **request)['SignatureValid']
assert home.get_public_key(KeyId=key_id)['PublicKey'] == away.get_public_key(KeyId=key_id)['PublicKey']
def refused(name, kms, method, **request):
    try:
        getattr(kms, method)(**request)
    except getattr(kms.exceptions, name) as error:
        assert error.response['Error']['Message'], error
    else:
        raise SystemExit(method + ' should have raised ' + name)
refused('AlreadyExistsException', home, 'replicate_key', KeyId=key_id, ReplicaRegion=region)
refused('UnsupportedOperationException', away, 'replicate_key', KeyId=key_id, ReplicaRegion='eu-west-1')
refused('UnsupportedOperationException', away, 'update_primary_region', KeyId=key_id, PrimaryRegion=region)
refused('NotFoundException', away, 'describe_key', KeyId=key['Arn'])
home.disable_key(KeyId=key_id)
refused('DisabledException', home, 'update_primary_region', KeyId=key_id, PrimaryRegion=region)
assert away.describe_key(KeyId=key_id)['KeyMetadata']['Enabled']
print('ok')
`;

await t.test(
  'boto3',
  { skip: absent(python, ['-c', 'import boto3'], 'boto3', 'python3-boto3') },
  async (t) => {
    const args = regions.flatMap(({ name, daemon }) => [
      endpointOf(daemon),
      name,
      daemon.credentials.accessKeyId,
      daemon.credentials.secretAccessKey,
      join(daemon.home, 'tls/ca.pem'),
    ]);
    const { stdout } = await run(python, ['-c', boto3, ...args], { env: { PATH: process.env.PATH } });
    t.equal(stdout, 'ok\n');
  },
);

/** Replicates a new key with the JavaScript SDK, and waits until both can be used. */
async function replicatedKey([atHome, away]: readonly [kms.KMSClient, kms.KMSClient]): Promise<string> {
  const created = await atHome.send(new kms.CreateKeyCommand({ MultiRegion: true }));
  const { KeyId } = created.KeyMetadata!;
  await atHome.send(new kms.ReplicateKeyCommand({ KeyId, ReplicaRegion: there }));
  for (const client of [atHome, away])
    await until(
      async () => (await client.send(new kms.DescribeKeyCommand({ KeyId }))).KeyMetadata!.KeyState,
      (state) => state === 'Enabled',
    );
  return KeyId!;
}

await t.test('the JavaScript SDK', async (t) => {
  const [atHome, away] = [
    kmsClient(t, primary.daemon, { region: here }),
    kmsClient(t, replica.daemon, { region: there }),
  ];
  const KeyId = await replicatedKey([atHome, away]);
  const Plaintext = Buffer.from('attack at dawn');
  const { CiphertextBlob } = await away.send(new kms.EncryptCommand({ KeyId, Plaintext }));
  const opened = await atHome.send(new kms.DecryptCommand({ CiphertextBlob }));
  t.same(Buffer.from(opened.Plaintext!), Plaintext);

  const fresh = (await atHome.send(new kms.CreateKeyCommand({ MultiRegion: true }))).KeyMetadata!.KeyId;
  const Policy = JSON.stringify({
    Statement: {
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${account}:user/nobody` },
      Action: 'kms:*',
      Resource: '*',
    },
  });
  const request = { KeyId: fresh, ReplicaRegion: there };
  const refused: readonly [
    input: kms.ReplicateKeyCommandInput,
    error: abstract new (...parts: never) => Error,
  ][] = [
    [{ ...request, KeyId }, kms.AlreadyExistsException],
    [{ ...request, ReplicaRegion: here }, kms.AlreadyExistsException],
    [{ ...request, ReplicaRegion: 'eu-west-1' }, kms.UnsupportedOperationException],
    [{ ...request, Tags: [{ TagKey: 'aws:x', TagValue: '' }] }, kms.TagException],
    [{ ...request, Policy: '{}' }, kms.MalformedPolicyDocumentException],
    [{ ...request, Policy }, kms.MalformedPolicyDocumentException],
  ];
  for (const [input, error] of refused) {
    const answer = await atHome.send(new kms.ReplicateKeyCommand(input)).catch((thrown: unknown) => thrown);
    t.ok(answer instanceof error, `${JSON.stringify(input)} gives ${error.name}: ${String(answer)}`);
  }
  const { KeyMetadata } = await atHome.send(new kms.DescribeKeyCommand({ KeyId: fresh }));
  t.match(KeyMetadata, { KeyState: 'Enabled', MultiRegionConfiguration: { ReplicaKeys: [] } });
  await t.rejects(away.send(new kms.DescribeKeyCommand({ KeyId: fresh })), { name: 'NotFoundException' });
  await t.rejects(atHome.send(new kms.UpdatePrimaryRegionCommand({ KeyId: fresh, PrimaryRegion: there })), {
    name: 'NotFoundException',
  });
});

await t.test('multi-Region keyrings of the Encryption SDK', async (t) => {
  const clients = new Map(
    regions.map(({ name, daemon }) => [name, new kms.KMS(clientConfig(daemon, { region: name }))]),
  );
  t.teardown(() => clients.forEach((client) => client.destroy()));
  const clientProvider = (region: string) => clients.get(region) as never;
  const KeyId = await replicatedKey([clients.get(here)!, clients.get(there)!]);
  const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
  const strict = (region: string) =>
    buildAwsKmsMrkAwareStrictMultiKeyringNode({ clientProvider, generatorKeyId: arn(region, KeyId) });
  const discovery = (region: string, accountIDs = [account]) =>
    buildAwsKmsMrkAwareDiscoveryMultiKeyringNode({
      clientProvider,
      regions: [region],
      discoveryFilter: { partition: 'aws', accountIDs },
    });
  for (const [from, to] of [
    [here, there],
    [there, here],
  ] as const) {
    const { result } = await encrypt(strict(from), 'attack at dawn', { encryptionContext: { from } });
    for (const keyring of [strict(from), strict(to), discovery(from), discovery(to)]) {
      const { plaintext, messageHeader } = await decrypt(keyring, result);
      t.equal(plaintext.toString(), 'attack at dawn', `from ${from} to ${to}`);
      t.match(messageHeader.encryptionContext, { from });
    }
    const plain = new KmsKeyringNode({ clientProvider, keyIds: [arn(to, KeyId)] });
    await t.rejects(decrypt(plain, result), 'a keyring that does not know multi-Region keys refuses it');
    await t.rejects(decrypt(discovery(to, ['111111111111']), result));
  }
});

for (const { client } of regions) await client.close();
