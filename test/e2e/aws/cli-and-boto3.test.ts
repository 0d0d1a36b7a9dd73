// Debian's AWS CLI and boto3 with a running daemon and the environment of `. $KEYHOLD_HOME/env`.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { endpointOf } from '../../support/aws/aws.js';
import { TestDaemon } from '../../support/daemon.js';
import { absent, aws, python, sourced } from '../../support/programs.js';

const run = promisify(execFile);

void t.test('the AWS CLI', { skip: absent(aws, ['--version'], 'the AWS CLI', 'awscli') }, async (t) => {
  const daemon = await TestDaemon.start(t);
  const env = sourced(daemon);
  // Debian's version does not know AWS_ENDPOINT_URL_KMS.
  const cli = async (...args: string[]) => {
    const { stdout } = await run(aws, ['--endpoint-url', endpointOf(daemon), ...args], {
      env,
      cwd: daemon.home,
    });
    return stdout === '' ? {} : (JSON.parse(stdout) as Record<string, never>);
  };
  const fails = (...args: string[]) =>
    cli(...args).then(
      () => '',
      (error: { stderr: string }) => error.stderr,
    );
  const created = await cli(
    'kms',
    'create-key',
    '--description',
    'from the CLI',
    '--tags',
    'TagKey=a,TagValue=b',
  );
  const { KeyId } = (created as unknown as { KeyMetadata: { KeyId: string } }).KeyMetadata;

  await t.test('encrypts, decrypts, signs, verifies and lists', async (t) => {
    writeFileSync(join(daemon.home, 'message'), 'attack at dawn');
    const message = ['fileb://message'];
    const { CiphertextBlob } = await cli(
      'kms',
      'encrypt',
      '--key-id',
      KeyId,
      '--plaintext',
      ...message,
      '--encryption-context',
      'a=b',
    );
    writeFileSync(join(daemon.home, 'blob'), Buffer.from(CiphertextBlob!, 'base64'));
    t.match(await cli('kms', 'decrypt', '--ciphertext-blob', 'fileb://blob', '--encryption-context', 'a=b'), {
      Plaintext: Buffer.from('attack at dawn').toString('base64'),
    });
    const signing = await cli(
      'kms',
      'create-key',
      '--key-spec',
      'ECC_NIST_P256',
      '--key-usage',
      'SIGN_VERIFY',
    );
    const id = (signing as unknown as { KeyMetadata: { KeyId: string } }).KeyMetadata.KeyId;
    const algorithm = ['--key-id', id, '--message', ...message, '--signing-algorithm', 'ECDSA_SHA_256'];
    const { Signature } = await cli('kms', 'sign', ...algorithm);
    writeFileSync(join(daemon.home, 'signature'), Buffer.from(Signature!, 'base64'));
    t.match(await cli('kms', 'verify', ...algorithm, '--signature', 'fileb://signature'), {
      SignatureValid: true,
    });
    await cli('kms', 'create-alias', '--alias-name', 'alias/cli', '--target-key-id', KeyId);
    t.match(await cli('kms', 'describe-key', '--key-id', 'alias/cli'), {
      KeyMetadata: { KeyId, CreationDate: /^\d{4}-/ },
    });
    t.match(await cli('kms', 'list-keys', '--page-size', '1'), { Keys: { length: 2 } });
    t.match(await cli('kms', 'schedule-key-deletion', '--key-id', KeyId, '--pending-window-in-days', '7'), {
      KeyState: 'PendingDeletion',
    });
    t.match(await cli('sts', 'get-caller-identity'), { Account: '000000000000' });
  });

  await t.test('reports errors as it reports those of AWS', async (t) => {
    t.match(
      await fails('kms', 'describe-key', '--key-id', 'alias/none'),
      /An error occurred \(NotFoundException\) when calling the DescribeKey operation/,
    );
    t.match(await fails('kms', 'create-key', '--key-spec', 'RSA_1'), /ValidationException/);
  });
});

const boto3 = `
import base64, boto3, botocore, json, sys
endpoint = sys.argv[1]
kms = boto3.client('kms', endpoint_url=endpoint)
key = kms.create_key(Description='from boto3', Tags=[{'TagKey': 'a', 'TagValue': ''}])['KeyMetadata']
assert key['CreationDate'].year >= 2024, key
key_id = key['KeyId']
blob = kms.encrypt(KeyId=key_id, Plaintext=b'attack at dawn', EncryptionContext={'a': 'b', '\\u00fc': '\\u2713'})['CiphertextBlob']
assert kms.decrypt(CiphertextBlob=blob, EncryptionContext={'a': 'b', '\\u00fc': '\\u2713'})['Plaintext'] == b'attack at dawn'
data_key = kms.generate_data_key(KeyId=key_id, KeySpec='AES_256')
assert kms.decrypt(CiphertextBlob=data_key['CiphertextBlob'])['Plaintext'] == data_key['Plaintext']
assert kms.enable_key(KeyId=key_id)['ResponseMetadata']['HTTPStatusCode'] == 200
try:
    kms.decrypt(CiphertextBlob=blob)
    raise SystemExit('decrypted without its context')
except kms.exceptions.InvalidCiphertextException as error:
    assert error.response['ResponseMetadata']['RequestId'], error.response
try:
    kms.describe_key(KeyId='alias/none')
    raise SystemExit('found')
except kms.exceptions.NotFoundException as error:
    assert 'alias/none' in str(error), error
for n in range(3):
    kms.create_alias(AliasName='alias/b%d' % n, TargetKeyId=key_id)
pages = list(kms.get_paginator('list_aliases').paginate(KeyId=key_id, PaginationConfig={'PageSize': 2}))
assert [len(page['Aliases']) for page in pages] == [2, 1], pages
for n in range(3):
    kms.create_grant(KeyId=key_id, GranteePrincipal='arn:aws:iam::000000000000:root',
                     RetiringPrincipal='arn:aws:iam::000000000000:root', Operations=['Encrypt'], Name='g%d' % n)
arguments = {'list_aliases': {}, 'list_grants': {'KeyId': key_id}, 'list_key_policies': {'KeyId': key_id}, 'list_keys': {},
             'describe_custom_key_stores': {}, 'list_resource_tags': {'KeyId': key_id},
             'list_retirable_grants': {'RetiringPrincipal': 'arn:aws:iam::000000000000:root'},
             'list_key_rotations': {'KeyId': key_id}}
results = {}
for name in arguments:
    # Debian's is older than this operation.
    if name == 'list_key_rotations' and not hasattr(kms, name):
        continue
    pages = kms.get_paginator(name).paginate(PaginationConfig={'PageSize': 2}, **arguments[name])
    results[name] = len(pages.build_full_result()[pages.result_keys[0].expression])
assert results['list_grants'] == 3 and results['list_retirable_grants'] == 3 and results['list_resource_tags'] == 1, results
assert results['list_key_policies'] == 1 and results['list_keys'] == 1 and results['describe_custom_key_stores'] == 0, results
assert [len(page['Grants']) for page in kms.get_paginator('list_grants').paginate(KeyId=key_id, PaginationConfig={'PageSize': 2})] == [2, 1]
assert kms.waiter_names == [], kms.waiter_names
assert boto3.client('sts', endpoint_url=endpoint).get_caller_identity()['Arn'].endswith(':root')
print('ok')
`;

void t.test(
  'boto3',
  { skip: absent(python, ['-c', 'import boto3'], 'boto3', 'python3-boto3') },
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const { stdout } = await run(python, ['-c', boto3, endpointOf(daemon)], { env: sourced(daemon) });
    t.equal(stdout, 'ok\n');
  },
);
