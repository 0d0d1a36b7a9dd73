// Signature Version 4 on requests of the AWS endpoint.
import { createHash } from 'node:crypto';
import t from 'tap';
import { type RequestOptions, send } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';

/** These tests exceed the default limit of failed authentications. */
const manyFailures = 'limits:\n  failedAuthentications: 1000000';

void t.test('authentication of a request', async (t) => {
  const daemon = await TestDaemon.start(t, manyFailures);
  const accepted = async (name: string, options: RequestOptions) => {
    const reply = await send(daemon, options);
    t.match(reply, { status: 200, body: { Keys: [], Truncated: false } }, `${name}: ${reply.text}`);
  };
  const refused = async (options: RequestOptions, code: string, message: RegExp) => {
    const reply = await send(daemon, options);
    t.match(reply, { status: 400, __type: code, message }, `${code} for ${message.source}: ${reply.text}`);
    t.match(reply.headers, {
      'x-amzn-requestid': /^[0-9a-f-]{36}$/,
      'content-type': 'application/x-amz-json-1.1',
    });
  };

  await t.test(
    'a correct signature is accepted over TLS and the unix socket, any number of times',
    async () => {
      await accepted('TLS', {});
      await accepted('unix socket', { over: 'unix' });
      const fixed: Record<string, string | string[] | undefined> = {};
      await accepted('first', { tamper: (headers) => Object.assign(fixed, headers) });
      await accepted('the same again', { tamper: (headers) => Object.assign(headers, fixed) });
    },
  );

  await t.test('unusual paths, queries and headers are canonicalized as SigV4 requires', async () => {
    for (const path of [
      '//',
      '/./',
      '/a/../',
      '/a%20b',
      '/%E1%88%B4',
      '/?b=2&a=1&a=0',
      '/?a=b%20c',
      '/*',
      '/?x',
    ])
      await accepted(path, { path });
    const signed = { 'x-amz-meta': '  a   b  ', 'x-other': ['one', 'two'], 'X-Upper': 'Case' };
    await accepted('spaces and a header twice', {
      headers: signed,
      signedHeaders: ['host', 'x-amz-date', 'x-amz-meta', 'x-amz-target', 'x-other', 'x-upper'],
    });
  });

  await t.test('Date is used if there is no X-Amz-Date', async () => {
    await accepted('RFC 1123', { dateHeader: 'rfc1123' });
    await accepted('ISO 8601', { dateHeader: 'iso8601' });
    const signedHeaders = ['host', 'x-amz-target'];
    await accepted('not listed, since it is in the string to sign', { dateHeader: 'iso8601', signedHeaders });
    await refused(
      {
        dateHeader: 'iso8601',
        signedHeaders,
        tamper: (headers) => (headers.date = `${String(headers.date).slice(0, 13)}59Z`),
      },
      'InvalidSignatureException',
      /signature we calculated does not match/,
    );
    await refused({ headers: { 'x-amz-date': undefined } }, 'IncompleteSignatureException', /X-Amz-Date/);
    await refused({ headers: { 'x-amz-date': 'noon' } }, 'IncompleteSignatureException', /YYYYMMDDTHHMMSSZ/);
    const late = { dateHeader: 'rfc1123', skew: -6 * 60_000 } as const;
    await refused(late, 'InvalidSignatureException', /^Signature expired/);
  });

  await t.test('a hash of the body is optional, must be correct, and must be signed', async () => {
    const hash = createHash('sha256').update('{}').digest('hex');
    await accepted('told', { headers: { 'x-amz-content-sha256': hash } });
    for (const told of ['UNSIGNED-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'])
      await refused(
        { headers: { 'x-amz-content-sha256': told }, payloadHash: told },
        'InvalidSignatureException',
        /body must be signed/,
      );
    const other = createHash('sha256').update('{"Limit":1}').digest('hex');
    await refused(
      { headers: { 'x-amz-content-sha256': other }, payloadHash: other },
      'InvalidSignatureException',
      /not the hash of the received body/,
    );
    await refused(
      { payloadHash: other },
      'InvalidSignatureException',
      /signature we calculated does not match/,
    );
    await refused(
      { headers: { 'x-amz-content-sha256': hash }, signedHeaders: ['host', 'x-amz-date', 'x-amz-target'] },
      'IncompleteSignatureException',
      /'x-amz-content-sha256' must be among the signed/,
    );
  });

  await t.test("a client whose clock is off by over five minutes gets the server's time", async () => {
    await accepted('four minutes late', { skew: -4 * 60_000 });
    await accepted('four minutes early', { skew: 4 * 60_000 });
    await refused(
      { skew: -6 * 60_000 },
      'InvalidSignatureException',
      /^Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 5 min\.\)$/,
    );
    await refused(
      { skew: 6 * 60_000 },
      'InvalidSignatureException',
      /^Signature not yet current: \d{8}T\d{6}Z is still later than \d{8}T\d{6}Z \(\d{8}T\d{6}Z \+ 5 min\.\)$/,
    );
  });

  await t.test('the scope must name this Region and this service', async () => {
    await refused({ region: 'eu-west-1' }, 'InvalidSignatureException', /Region 'us-east-1'/);
    await refused({ service: 's3' }, 'InvalidSignatureException', /service 'kms'/);
    await refused({ service: 'sts' }, 'InvalidSignatureException', /service 'kms'/);
  });

  await t.test('a wrong signature and an unknown access key are reported', async () => {
    await refused(
      { secretAccessKey: 'wrong' },
      'InvalidSignatureException',
      /signature we calculated does not match/,
    );
    await refused(
      { accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' },
      'UnrecognizedClientException',
      /^The security token included in the request is invalid\.$/,
    );
    await refused({ accessKeyId: '__proto__' }, 'UnrecognizedClientException', /security token/);
    await refused(
      { headers: { 'x-amz-security-token': 'AAAA' } },
      'UnrecognizedClientException',
      /security token/,
    );
  });

  await t.test('an Authorization header that is missing or incomplete is reported', async () => {
    const authorization = (value: string | undefined): RequestOptions => ({
      tamper: (headers) => (headers.authorization = value),
    });
    await refused(
      authorization(undefined),
      'MissingAuthenticationTokenException',
      /Missing Authentication Token/,
    );
    await refused(
      authorization('Basic abc'),
      'MissingAuthenticationTokenException',
      /Missing Authentication Token/,
    );
    await refused(authorization('AWS4-HMAC-SHA256 x'), 'IncompleteSignatureException', /'Credential'/);
    for (const part of ['Credential', 'SignedHeaders', 'Signature'])
      await refused(
        {
          tamper: (headers) => (headers.authorization = String(headers.authorization).replace(part, 'Other')),
        },
        'IncompleteSignatureException',
        new RegExp(`'${part}'`),
      );
    await refused(
      { signedHeaders: ['x-amz-date', 'x-amz-target'] },
      'IncompleteSignatureException',
      /'host' must be among/,
    );
    await refused(
      { signedHeaders: ['host', 'x-amz-target'] },
      'IncompleteSignatureException',
      /'x-amz-date' must be among/,
    );
    await refused(
      { signedHeaders: ['host', 'x-amz-date'] },
      'IncompleteSignatureException',
      /'x-amz-target' must be among/,
    );
  });

  await t.test('a presigned query is not accepted', async () => {
    const { accessKeyId } = daemon.credentials;
    const query = `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${accessKeyId}%2F20260101%2Fus-east-1%2Fkms%2Faws4_request`;
    const path = `/?${query}&X-Amz-Date=20260101T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=${'0'.repeat(64)}`;
    await refused(
      { path, tamper: (headers) => (headers.authorization = undefined) },
      'MissingAuthenticationTokenException',
      /not in its query/,
    );
  });

  await t.test('a request that was changed in transit is refused', async () => {
    const changes: ((headers: Record<string, string | string[] | undefined>) => void)[] = [
      (headers) => (headers['x-amz-target'] = 'TrentService.ListAliases'),
      (headers) => (headers['x-amz-date'] = String(headers['x-amz-date']).replace(/\d\dZ/, '59Z')),
      (headers) => (headers.host = 'elsewhere.example'),
    ];
    for (const tamper of changes)
      await refused({ tamper }, 'InvalidSignatureException', /signature we calculated does not match/);
  });

  await t.test('a refused request reached no operation, and no secret was printed or recorded', async (t) => {
    const before = daemon.auditRecords().length;
    await send(daemon, { operation: 'CreateKey', secretAccessKey: 'wrong' });
    t.equal(daemon.auditRecords().length, before);
    t.match(await send(daemon), { body: { Keys: [] } });
    t.notOk(
      (daemon.stderr + JSON.stringify(daemon.auditRecords())).includes(daemon.credentials.secretAccessKey),
    );
  });
});
