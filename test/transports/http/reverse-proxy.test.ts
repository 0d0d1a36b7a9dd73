// Requests through a reverse proxy with a prefix and another Host, and requests from web pages of other origins.
import { once } from 'node:events';
import { Agent, createServer, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { KMSClient, ListKeysCommand } from '@aws-sdk/client-kms';
import t from 'tap';
import { endpointOf } from '../../support/aws/aws.js';
import { send } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';

const origin = 'https://console.example';
const proxyAddress = '127.0.0.2';
const client = '203.0.113.9';

const yaml = `listen:
  http:
    port: 0
trustedProxies: ["${proxyAddress}", "198.51.100.0/24"]
allowedOrigins: ["${origin}"]
limits:
  failedAuthentications: 5`;

void t.test('a reverse proxy and web pages', async (t) => {
  const daemon = await TestDaemon.start(t, yaml);
  const plain = new URL(/http:\/\/127\.0\.0\.1:\d+\//.exec(daemon.stdout)![0]);
  /** Headers that the proxy receives from its client, or from proxies before it. */
  let before: Record<string, string> = {};
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const proxy = createServer((incoming, outgoing) => {
    const headers = {
      ...incoming.headers,
      host: plain.host,
      'x-forwarded-host': incoming.headers.host,
      'x-forwarded-prefix': '/kms/eu/',
      'x-forwarded-proto': 'https',
      'x-forwarded-for': [before['x-forwarded-for'], client].filter(Boolean).join(', '),
    };
    const path = incoming.url!.replace(/^\/kms\/eu/, '');
    const options = { method: incoming.method, path, headers, agent, localAddress: proxyAddress };
    incoming.pipe(
      httpRequest(plain, options, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      }),
    );
  });
  t.teardown(() => proxy.close());
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/kms/eu/`;
  const kms = (credentials = daemon.credentials) => {
    const made = new KMSClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });
    t.teardown(() => made.destroy());
    return made;
  };
  const lastEvent = () => daemon.events('ListKeys').at(-1);

  await t.test(
    'the signature covers the host and path of the client, and the source is the client',
    async (t) => {
      t.match(await kms().send(new ListKeysCommand({})), { Keys: [] });
      t.match(lastEvent(), { sourceIPAddress: client });
      before = { 'x-forwarded-for': '192.0.2.1' };
      await kms().send(new ListKeysCommand({}));
      t.match(lastEvent(), { sourceIPAddress: client }, 'a forwarding header from the client is not trusted');
    },
  );

  await t.test('conditions and throttling apply to the address of the client', async (t) => {
    const root = await daemon.connect();
    await root.createUser({ userName: 'alice' });
    const { accessKey } = await root.createAccessKey({ userName: 'alice' });
    const Statement = {
      Effect: 'Allow',
      Action: 'kms:ListKeys',
      Resource: '*',
      Condition: { IpAddress: { 'aws:SourceIp': `${client}/32` }, Bool: { 'aws:SecureTransport': 'true' } },
    };
    const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
    const { policy } = await root.createPolicy({ policyName: 'there', policyDocument });
    await root.attachUserPolicy({ userName: 'alice', policyArn: policy.arn });
    await root.close();
    const alice = { accessKeyId: accessKey.accessKeyId, secretAccessKey: accessKey.secretAccessKey };
    t.ok(await kms(alice).send(new ListKeysCommand({})));
    t.match(await send(daemon, { ...alice, over: plain }), { __type: 'AccessDeniedException' });
    const wrong = kms({ accessKeyId: `AKIA${'Q'.repeat(16)}`, secretAccessKey: 'x' });
    for (let count = 0; count < 12; count++) await t.rejects(wrong.send(new ListKeysCommand({})));
    t.match(
      await send(daemon, { accessKeyId: `AKIA${'Q'.repeat(16)}`, secretAccessKey: 'x', over: plain }),
      { __type: 'UnrecognizedClientException' },
      'another source is not throttled',
    );
  });

  await t.test('from other addresses the headers are ignored', async (t) => {
    const forged = {
      'x-forwarded-for': '198.51.100.7',
      'x-forwarded-host': 'elsewhere',
      'x-forwarded-prefix': '/x',
    };
    t.match(await send(daemon, { headers: forged, over: plain }), { status: 200 });
    t.match(lastEvent(), { sourceIPAddress: '127.0.0.1' });
    t.match(await send(daemon, { headers: forged, over: 'unix' }), { status: 200 });
    t.match(lastEvent(), { sourceIPAddress: 'unix' });
  });

  const ask = async (method: string, headers: Record<string, string>) => {
    const asked = httpsRequest(endpointOf(daemon), {
      method,
      headers,
      ca: daemon.ca,
      servername: 'localhost',
    });
    asked.end();
    const [answer] = (await once(asked, 'response')) as [import('node:http').IncomingMessage];
    answer.resume();
    return { status: answer.statusCode, headers: answer.headers };
  };
  const preflight = (from: string, wanted = 'authorization,x-amz-date,x-amz-target') =>
    ask('OPTIONS', {
      origin: from,
      'access-control-request-method': 'POST',
      'access-control-request-headers': wanted,
    });

  await t.test('only pages of a listed origin may send requests', async (t) => {
    t.match(await preflight(origin), {
      status: 204,
      headers: {
        'access-control-allow-origin': origin,
        'access-control-allow-methods': /POST/,
        'access-control-allow-headers': 'authorization,x-amz-date,x-amz-target',
        vary: 'Origin',
      },
    });
    t.match((await preflight(origin, 'a:b')).headers, { 'access-control-allow-headers': 'Authorization' });
    const other = await preflight('https://evil.example');
    t.not(other.status, 204);
    t.equal(other.headers['access-control-allow-origin'], undefined);
    t.equal(
      (await ask('OPTIONS', { origin })).status,
      404,
      'OPTIONS without the headers of a preflight gets 404',
    );
    const answer = await send(daemon, { headers: { origin } });
    t.match(answer, { status: 200, headers: { 'access-control-allow-origin': origin } });
    const refused = await send(daemon, { headers: { origin }, secretAccessKey: 'x' });
    t.match(refused, { status: 400, headers: { 'access-control-allow-origin': origin } });
    t.equal((await send(daemon, {})).headers['access-control-allow-origin'], undefined);
  });
});
