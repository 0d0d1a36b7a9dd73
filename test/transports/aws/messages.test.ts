// How messages of AWS JSON 1.1 are read and written.
import t from 'tap';
import { type RequestOptions, send } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';

/** These tests exceed the default limit of failed authentications. */
const manyFailures = 'limits:\n  failedAuthentications: 1000000';

void t.test('messages', async (t) => {
  const daemon = await TestDaemon.start(t, manyFailures);
  const call = (operation: string, body: unknown, options: RequestOptions = {}) =>
    send(daemon, { operation, body: typeof body === 'string' ? body : JSON.stringify(body), ...options });
  const refused = async (operation: string, body: unknown, code: string, message: RegExp) => {
    const reply = await call(operation, body);
    t.match(reply, { status: 400, __type: code, message }, reply.text);
  };
  const created = await call('CreateKey', {
    Description: 'for messages',
    Tags: [{ TagKey: 'a', TagValue: '' }],
  });
  const { KeyMetadata } = created.body as { KeyMetadata: { KeyId: string; Arn: string } };
  const KeyId = KeyMetadata.KeyId;

  await t.test("a reply has AWS's names, base64 for bytes and epoch seconds for times", async (t) => {
    t.match(created, { status: 200, headers: { 'content-type': 'application/x-amz-json-1.1' } });
    const metadata = (created.body as { KeyMetadata: Record<string, unknown> }).KeyMetadata;
    t.equal(metadata.AWSAccountId, '000000000000');
    t.ok(Math.abs((metadata.CreationDate as number) - Date.now() / 1000) < 60);
    t.strictSame(metadata.EncryptionAlgorithms, ['SYMMETRIC_DEFAULT']);
    t.notOk('DeletionDate' in metadata, 'an unset member is absent');
    const encrypted = await call('Encrypt', { KeyId, Plaintext: 'aGVsbG8=' });
    const { CiphertextBlob } = encrypted.body as { CiphertextBlob: string };
    t.match(await call('Decrypt', { CiphertextBlob }), {
      body: { Plaintext: 'aGVsbG8=', KeyId: KeyMetadata.Arn },
    });
  });

  await t.test('an operation without output has an empty reply', async (t) => {
    const reply = await call('EnableKey', { KeyId });
    t.match(reply, { status: 200, text: '', headers: { 'content-length': '0' } });
  });

  await t.test('null means absent, and an empty value does not', async (t) => {
    t.match(await call('ListKeys', { Limit: null, Marker: null }), { status: 200 });
    t.match(await call('DescribeKey', { KeyId, GrantTokens: null }), { status: 200 });
    t.match(await call('DescribeKey', { KeyId, GrantTokens: [] }), { status: 200 });
    await refused(
      'DescribeKey',
      { KeyId: null },
      'ValidationException',
      /Value null at 'keyId'.*must not be null/,
    );
    await refused('DescribeKey', {}, 'ValidationException', /Value null at 'keyId'.*must not be null/);
    await refused('DescribeKey', { KeyId: '' }, 'ValidationException', /Value '' at 'keyId'.*length greater/);
    await refused('Encrypt', { KeyId, Plaintext: '' }, 'ValidationException', /at 'plaintext'/);
    t.match(await call('UpdateKeyDescription', { KeyId, Description: '' }), { status: 200 });
    t.match(await call('DescribeKey', { KeyId }), { body: { KeyMetadata: { Description: '' } } });
    t.match(
      await call('ListKeys', '{"Limit":1e1}'),
      { status: 200 },
      'a number with an exponent is accepted',
    );
    await refused('UpdateKeyDescription', { KeyId }, 'ValidationException', /'description'/);
    await refused(
      'ListKeys',
      '{"Limit":0}',
      'ValidationException',
      /Value '0' at 'limit'.*greater than or equal to 1/,
    );
    await refused('DescribeKey', { KeyId, GrantTokens: [null] }, 'ValidationException', /must not be null/);
  });

  await t.test('an empty body is a request without members', async (t) => {
    t.match(await call('ListKeys', ''), { status: 200 });
    await refused('DescribeKey', '', 'ValidationException', /Value null at 'keyId'/);
  });

  await t.test('unknown members are ignored', async (t) => {
    const body = { KeyId, Unknown: { deep: [1, { a: null }] }, keyId: 'other', constructor: 1 };
    t.match(await call('DescribeKey', body), { status: 200 });
    t.match(await call('DescribeKey', `{"KeyId":"${KeyId}","__proto__":{"KeyId":1},"toString":2}`), {
      status: 200,
    });
  });

  await t.test("a value outside its enum is named in AWS's words, with all other faults", async () => {
    await refused(
      'CreateKey',
      { KeySpec: 'RSA_1024' },
      'ValidationException',
      /^1 validation error detected: Value 'RSA_1024' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: \[ECC_NIST_EDWARDS25519, .*SYMMETRIC_DEFAULT\]$/,
    );
    await refused(
      'GenerateDataKey',
      { KeyId: '', KeySpec: '__proto__', NumberOfBytes: 4000 },
      'ValidationException',
      /^3 validation errors detected: .*'keyId'.*'numberOfBytes'.*'__proto__' at 'keySpec'/,
    );
    await refused(
      'Decrypt',
      { KeyId, DryRunModifiers: ['X'] },
      'ValidationException',
      /Value '\[X\]' at 'dryRunModifiers'/,
    );
    await refused(
      'CreateKey',
      { KeySpec: '' },
      'ValidationException',
      /Value '' at 'keySpec'.*enum value set/,
    );
  });

  await t.test('a value of the wrong type is a SerializationException, and never quoted', async () => {
    const wrong = 'SerializationException';
    await refused('DescribeKey', { KeyId: 5 }, wrong, /NUMBER_VALUE can not be converted to a String/);
    await refused('DescribeKey', { KeyId: true }, wrong, /TRUE_VALUE/);
    await refused('DescribeKey', { KeyId: ['x'] }, wrong, /START_ARRAY/);
    await refused('DescribeKey', { KeyId: {} }, wrong, /START_OBJECT/);
    await refused('ListKeys', { Limit: '5' }, wrong, /STRING_VALUE can not be converted to an Integer/);
    await refused('ListKeys', { Limit: 1.5 }, wrong, /32 bits/);
    await refused('ListKeys', { Limit: 1e12 }, wrong, /32 bits/);
    await refused('ListKeys', '{"Limit":1e999}', wrong, /32 bits/);
    await refused(
      'CreateKey',
      { MultiRegion: 'true' },
      wrong,
      /STRING_VALUE can not be converted to a Boolean/,
    );
    await refused('CreateKey', { KeySpec: 1 }, wrong, /NUMBER_VALUE/);
    await refused(
      'DescribeKey',
      { KeyId, GrantTokens: 'x' },
      wrong,
      /STRING_VALUE can not be converted to a List/,
    );
    await refused('CreateKey', { Tags: ['x'] }, wrong, /STRING_VALUE/);
    await refused('CreateKey', { Tags: [[]] }, wrong, /Start of list found where not expected/);
    await refused('Encrypt', { KeyId, Plaintext: 'AA==', EncryptionContext: 'x' }, wrong, /to a Map/);
    await refused(
      'Encrypt',
      { KeyId, Plaintext: 'AA==', EncryptionContext: { a: 1 } },
      wrong,
      /NUMBER_VALUE/,
    );
    for (const blob of ['not base64!', 'AAA', 'A===', 'AA==AA==', 'AA-_'])
      await refused('Encrypt', { KeyId, Plaintext: blob }, wrong, /^A blob is not written in base64$/);
    for (const body of ['{', '[]', '"x"', '5', '{"KeyId":}', "{'KeyId':1}", '\ufeff{}', '{} {}', '\0'])
      await refused('DescribeKey', body, wrong, /./);
    await refused('DescribeKey', Buffer.from([0x7b, 0xff, 0x7d]).toString('latin1'), wrong, /not JSON/);
    await refused('DescribeKey', '['.repeat(100_000), wrong, /not JSON/);
  });

  await t.test('a repeated member, and text that is not well-formed Unicode, are refused', async (t) => {
    const twice = `{"KeyId":"${KeyId}","\\u004beyId":"x"}`;
    await refused('DescribeKey', twice, 'ValidationException', /two members of the same name/);
    const context = `{"KeyId":"${KeyId}","Plaintext":"AA==","EncryptionContext":{"a":"1","a":"2"}}`;
    await refused('Encrypt', context, 'ValidationException', /two members of the same name/);
    const surrogate = `{"KeyId":"${KeyId}","Plaintext":"AA==","EncryptionContext":{"a":"\\ud800"}}`;
    await refused('Encrypt', surrogate, 'ValidationException', /well-formed Unicode/);
    const odd = `{"KeyId":"${KeyId}","Plaintext":"AA==","EncryptionContext":{"__proto__":"1","constructor":"2"}}`;
    const { CiphertextBlob } = (await call('Encrypt', odd)).body as { CiphertextBlob: string };
    t.match(await call('Decrypt', { CiphertextBlob }), {
      __type: 'InvalidCiphertextException',
      message: undefined,
    });
    const right = `{"CiphertextBlob":"${CiphertextBlob}","EncryptionContext":{"constructor":"2","__proto__":"1"}}`;
    t.match(await call('Decrypt', right), { status: 200 });
  });

  await t.test('a request that names no operation gets an UnknownOperationException', async (t) => {
    const unknown = { status: 400, __type: 'UnknownOperationException' };
    const target = (value: string | undefined) => send(daemon, { headers: { 'x-amz-target': value } });
    for (const value of [
      'TrentService.',
      'TrentService.listKeys',
      'ListKeys',
      'Trent.ListKeys',
      'TrentService.__proto__',
    ])
      t.match(await target(value), unknown, value);
    t.match(await target(undefined), unknown, 'a request without a target names no operation');
    for (const type of [undefined, 'application/json', 'text/plain', 'application/x-amz-json-2.0'])
      t.match(await send(daemon, { headers: { 'content-type': type } }), unknown, String(type));
    for (const type of [
      'application/x-amz-json-1.0',
      'application/x-amz-json-1.1; charset=utf-8',
      'Application/X-AMZ-JSON-1.1',
    ])
      t.match(await send(daemon, { headers: { 'content-type': type } }), { status: 200 }, type);
  });

  await t.test('features that Keyhold does not have are refused with the reason', async () => {
    const unsupported = 'UnsupportedOperationException';
    await refused('CreateKey', { KeySpec: 'SM2', KeyUsage: 'SIGN_VERIFY' }, unsupported, /SM2/);
    await refused('CreateKey', { Origin: 'EXTERNAL_KEY_STORE' }, unsupported, /./);
    await refused('GenerateRandom', { NumberOfBytes: 8, Recipient: {} }, unsupported, /Nitro/);
  });

  await t.test(
    'a request has the audit event of a native one, with address, user agent and ID',
    async (t) => {
      const reply = await send(daemon, {
        operation: 'GenerateDataKey',
        body: JSON.stringify({ KeyId, KeySpec: 'AES_256', EncryptionContext: { a: 'b' } }),
        headers: { 'user-agent': 'a program/1.0' },
      });
      const client = await daemon.connect();
      await client.generateDataKey({ keyId: KeyId, keySpec: 'AES_256', encryptionContext: { a: 'b' } });
      await client.close();
      const [first, second] = daemon.events('GenerateDataKey').slice(-2);
      t.match(first, {
        sourceIPAddress: '127.0.0.1',
        userAgent: 'a program/1.0',
        requestID: reply.headers['x-amzn-requestid'],
      });
      const own = [
        'sequence',
        'previous',
        'sourceIPAddress',
        'userAgent',
        'requestID',
        'eventID',
        'eventTime',
        // The native one came over the unix socket.
        'tlsDetails',
      ];
      const rest = (event: object) =>
        Object.fromEntries(Object.entries(event).filter(([name]) => !own.includes(name)));
      t.strictSame(rest(first!), rest(second!));
      const { tlsDetails, ...members } = first!;
      t.match(tlsDetails, { tlsVersion: /^TLSv1/ });
      t.strictSame(Object.keys(members), Object.keys(second!));
      const failed = await call('DescribeKey', { KeyId: 5 });
      t.match(daemon.events('DescribeKey').at(-1), {
        errorCode: 'SerializationException',
        requestID: failed.headers['x-amzn-requestid'],
      });
      const socket = await send(daemon, { over: 'unix', operation: 'ListAliases' });
      t.match(daemon.events('ListAliases').at(-1), {
        sourceIPAddress: 'unix',
        requestID: socket.headers['x-amzn-requestid'],
      });
    },
  );
});
