// Events in CloudTrail's shape, compared with AWS's published examples ("Examples of AWS KMS log entries", AWS KMS
// Developer Guide), whose members are listed here with their default values.
import t from 'tap';
import { send } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';

const daemon = await TestDaemon.start(t);
const call = async (operation: string, body: object) => {
  const { status, text } = await send(daemon, { operation, body: JSON.stringify(body) });
  t.equal(status, 200, `${operation}: ${text.slice(0, 300)}`);
  return (text === '' ? {} : JSON.parse(text)) as Record<string, string> & {
    KeyMetadata: Record<string, string>;
  };
};
const eventOf = (name: string) => daemon.events(name).at(-1)!;

const time = /^(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{1,2}, \d{4}, \d{1,2}:\d\d:\d\d (AM|PM)$/;
const symmetric = 'SYMMETRIC_DEFAULT';

const { Arn, KeyId } = (await call('CreateKey', {})).KeyMetadata as { Arn: string; KeyId: string };
const encryptionContext = { Project: 'Alpha' };

await t.test('every event', (t) => {
  t.match(eventOf('CreateKey'), {
    eventVersion: '1.11',
    eventSource: 'kms.amazonaws.com',
    awsRegion: 'us-east-1',
    sourceIPAddress: '127.0.0.1',
    readOnly: false,
    resources: [{ accountId: '000000000000', type: 'AWS::KMS::Key', ARN: Arn }],
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: '000000000000',
    eventCategory: 'Management',
    tlsDetails: {
      tlsVersion: /^TLSv1\.[23]$/,
      cipherSuite: /^(TLS|ECDHE)[-_A-Z0-9]+$/,
      clientProvidedHostHeader: /^[\w.:-]+$/,
    },
  });
  t.end();
});

await t.test('CreateKey', (t) => {
  const { requestParameters, responseElements } = eventOf('CreateKey');
  t.same(requestParameters, {
    description: '',
    keyUsage: 'ENCRYPT_DECRYPT',
    customerMasterKeySpec: symmetric,
    keySpec: symmetric,
    origin: 'AWS_KMS',
    multiRegion: false,
    bypassPolicyLockoutSafetyCheck: false,
  });
  t.match(responseElements, {
    keyMetadata: {
      AWSAccountId: '000000000000',
      keyId: KeyId,
      arn: Arn,
      creationDate: time,
      enabled: true,
      description: '',
      keyUsage: 'ENCRYPT_DECRYPT',
      keyState: 'Enabled',
      origin: 'AWS_KMS',
      keyManager: 'CUSTOMER',
      customerMasterKeySpec: symmetric,
      keySpec: symmetric,
      encryptionAlgorithms: [symmetric],
      multiRegion: false,
    },
  });
  t.end();
});

await t.test('cryptographic operations', async (t) => {
  const { CiphertextBlob } = await call('Encrypt', {
    KeyId,
    Plaintext: 'dGV4dA==',
    EncryptionContext: encryptionContext,
  });
  t.same(eventOf('Encrypt').requestParameters, {
    keyId: KeyId,
    encryptionContext,
    encryptionAlgorithm: symmetric,
  });
  await call('Decrypt', { CiphertextBlob, EncryptionContext: encryptionContext });
  t.match(eventOf('Decrypt'), {
    requestParameters: { encryptionContext, encryptionAlgorithm: symmetric },
    responseElements: null,
    additionalEventData: { keyMaterialId: /^[0-9a-f]{64}$/ },
  });
  await call('ReEncrypt', {
    CiphertextBlob,
    SourceEncryptionContext: encryptionContext,
    DestinationKeyId: KeyId,
    DestinationEncryptionContext: { Level: '3A' },
  });
  const { requestParameters, additionalEventData, resources } = eventOf('ReEncrypt');
  t.same(requestParameters, {
    sourceEncryptionAlgorithm: symmetric,
    sourceEncryptionContext: encryptionContext,
    destinationKeyId: KeyId,
    destinationEncryptionAlgorithm: symmetric,
    destinationEncryptionContext: { Level: '3A' },
  });
  t.match(additionalEventData, {
    destinationKeyMaterialId: /^[0-9a-f]{64}$/,
    sourceKeyMaterialId: /^[0-9a-f]{64}$/,
  });
  t.equal((resources as unknown[]).length, 2);
});

await t.test('changes of one key show its ARN', async (t) => {
  const changes: [operation: string, body: object, parameters: object][] = [
    ['DisableKey', {}, {}],
    ['EnableKey', {}, {}],
    ['UpdateKeyDescription', { Description: 'other' }, { description: 'other' }],
    ['EnableKeyRotation', {}, {}],
    ['DisableKeyRotation', {}, {}],
    ['TagResource', { Tags: [{ TagKey: 'a', TagValue: 'b' }] }, { tags: [{ tagKey: 'a', tagValue: 'b' }] }],
    ['UntagResource', { TagKeys: ['a'] }, { tagKeys: ['a'] }],
  ];
  for (const [operation, body, parameters] of changes) {
    await call(operation, { KeyId, ...body });
    t.match(eventOf(operation), {
      requestParameters: { keyId: KeyId, ...parameters },
      responseElements: { keyId: Arn },
    });
  }
  await call('CreateAlias', { AliasName: 'alias/shape', TargetKeyId: KeyId });
  t.match(eventOf('CreateAlias'), { responseElements: { keyId: Arn } });
  const { GrantId } = await call('CreateGrant', {
    KeyId,
    GranteePrincipal: 'arn:aws:iam::000000000000:root',
    Operations: ['Encrypt'],
  });
  t.match(eventOf('CreateGrant'), { responseElements: { grantId: GrantId, keyId: Arn } });
  await call('ScheduleKeyDeletion', { KeyId });
  t.match(eventOf('ScheduleKeyDeletion'), {
    requestParameters: { keyId: KeyId, pendingWindowInDays: 30 },
    responseElements: { keyId: Arn, keyState: 'PendingDeletion', deletionDate: time },
  });
});
