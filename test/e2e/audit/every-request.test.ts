// Every authenticated request is in the audit log, as its own record or in a count, whatever its outcome.
import t from 'tap';
import { encodeRequest, operationShape } from '../../../proto/codec/frames.js';
import { until } from '../../audit/support.js';
import { send } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';
import { upgrade } from '../../support/wire/upgrade.js';

interface Recorded {
  readonly eventName: string;
  readonly errorCode?: string;
  readonly requestID?: string;
  readonly requestParameters?: Record<string, string> | null;
  readonly serviceEventDetails?: { readonly count: number; readonly operations?: Record<string, number> };
}

/** Number of requests of a kind according to the records. */
function told(daemon: TestDaemon, errorCode: string, operation?: string): number {
  return (daemon.auditRecords() as unknown as Recorded[])
    .filter((record) => record.errorCode === errorCode)
    .map(({ eventName, serviceEventDetails: details }) => {
      if (eventName !== 'RefuseRequest') return operation === undefined || eventName === operation ? 1 : 0;
      return (operation === undefined ? details?.count : details?.operations?.[operation]) ?? 0;
    })
    .reduce((sum, count) => sum + count, 0);
}

const daemon = await TestDaemon.start(t, 'limits:\n  inFlightPerConnection: 100');

/** Sends frames on a new connection, and waits for as many replies or its end. */
async function frames(all: readonly (Buffer | string)[]): Promise<void> {
  const { webSocket } = await upgrade(daemon);
  let replies = 0;
  const done = new Promise<void>((resolve) => {
    webSocket.on('message', () => (replies += 1) === all.length && resolve());
    webSocket.on('close', () => resolve());
  });
  for (const frame of all) webSocket.send(frame);
  await done;
  webSocket.terminate();
}

const identity = operationShape('GetCallerIdentity');
const request = (id: number) => Buffer.from(encodeRequest(id, 0, identity, {}));

await t.test('requests that never become an operation', async (t) => {
  await frames([request(0)]);
  await frames([Buffer.from([0x08, 5, 0xfa, 0x3f, 0]), Buffer.from([0x08, 5])]);
  await frames([
    Buffer.concat([request(7), Buffer.from(encodeRequest(7, 0, operationShape('ListKeys'), {}))]),
  ]);
  await frames([Buffer.from([0x08])]);
  await frames(['a text']);
  await frames([Buffer.alloc(65_537)]);
  const many = 500;
  await frames(Array.from({ length: many }, (_, index) => request(index + 1)));

  await send(daemon, { operation: 'NoSuch', body: '{}' });
  await send(daemon, { operation: 'ListKeys', headers: { 'content-type': 'text/plain' } });
  await send(daemon, { operation: 'ListKeys', headers: { 'content-encoding': 'gzip' } });
  await send(daemon, { operation: 'ListKeys', body: '{"Limit":1,"Limit":2}' });
  const before = daemon.auditRecords().length;
  await send(daemon, { operation: 'NoSuch', tamper: (headers) => delete headers.authorization });
  t.equal(daemon.auditRecords().length, before, 'a request without credentials is not recorded');

  t.equal(await daemon.stop(), 0);
  const answered = daemon
    .events('GetCallerIdentity')
    .filter(({ errorCode }) => errorCode === undefined).length;
  t.equal(
    told(daemon, 'ThrottlingException', 'GetCallerIdentity') + answered,
    many,
    'all simultaneous requests are recorded',
  );
  t.ok(answered >= 100 && answered < many);
  const events = daemon.events('RefuseRequest') as unknown as Recorded[];
  t.match(events[0], {
    userIdentity: { type: 'Root', accessKeyId: daemon.credentials.accessKeyId },
    sourceIPAddress: 'unix',
    requestID: /^[0-9a-f-]{36}$/,
  });
  t.ok(
    told(daemon, 'UnsupportedOperationException') >= 2,
    'two requests of the native protocol are recorded',
  );
  t.equal(told(daemon, 'UnknownOperationException'), 2);
  t.equal(told(daemon, 'SerializationException'), 1);
  t.equal(
    told(daemon, 'ValidationException', 'ListKeys'),
    2,
    'a request with two operations and one with a repeated member are recorded',
  );
  t.ok(
    told(daemon, 'ValidationException') >= 6,
    'requests with ID 0, malformed, as text and too long are recorded',
  );
  t.ok(events.length < 20, 'they do not flood the log with records');
  const opened = daemon.events('OpenConnection') as unknown as Recorded[];
  const connections = opened.reduce((sum, { serviceEventDetails }) => sum + serviceEventDetails!.count, 0);
  t.equal(connections, 7, 'every connection is counted');
  await daemon.start();
});

await t.test(
  'a request whose record would be too long is recorded with shortened texts and gets its own error',
  async (t) => {
    const form = Buffer.concat([
      Buffer.from(
        'Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::000000000000:role/any&RoleSessionName=',
      ),
      Buffer.alloc(200_000, 1),
    ]);
    const reply = await send(daemon, {
      service: 'sts',
      body: form,
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-amz-target': undefined },
    });
    t.notMatch(reply.text, /audit log/);
    t.equal(reply.status, 400, reply.text.slice(0, 300));
    const event = daemon.events('AssumeRole').at(-1) as unknown as Recorded;
    t.match(event.requestParameters?.roleSessionName, /… \[cut: 200000 bytes, SHA-256 [0-9a-f]{64}\]$/);
    t.ok(JSON.stringify(event).length < 20_000);
    t.match(await daemon.health(), { healthy: true });
  },
);

await t.test('the request ID that a client receives is that of the audit event', async (t) => {
  const client = await daemon.connect({ maxAttempts: 1 });
  const error = await client.describeKey({ keyId: 'alias/none' }).then(
    () => undefined,
    (failure: unknown) => failure as { requestId?: string },
  );
  t.match(daemon.events('DescribeKey').at(-1), {
    errorCode: 'NotFoundException',
    requestID: error?.requestId,
  });
  t.match(error?.requestId, /^[0-9a-f-]{36}$/);
  await client.close();
  const denied = await send(daemon, { operation: 'DescribeKey', body: '{"KeyId":"alias/none"}' });
  t.equal(daemon.events('DescribeKey').at(-1)?.requestID, denied.headers['x-amzn-requestid']);
  const unknown = await send(daemon, { operation: 'NeverThere', body: '{}' });
  const { 'x-amzn-requestid': unknownId } = unknown.headers;
  await until(() => daemon.events('RefuseRequest').some(({ requestID }) => requestID === unknownId));
  const forged = await send(daemon, { secretAccessKey: 'x'.repeat(40) });
  // The daemon's log has the ID too.
  await until(() => daemon.stderr.includes(String(forged.headers['x-amzn-requestid'])));
});
