// HTTP/2 frames that no correct client sends.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2, constants, createServer } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { type AddressInfo, connect as connectSocket, type Server } from 'node:net';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { alpnProtocols, Http2Sessions, serveHttp2 } from '../../../daemon/transports/http/http2.js';
import { endpointOf } from '../../support/aws/aws.js';
import { signedHeadersOf } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';
import {
  connectForFrames,
  exchangeFrames,
  framesOf,
  type ReceivedFrame,
  statusOf,
} from '../../support/wire/http2-exchange.js';
import {
  endHeaders,
  endStream,
  frame,
  frameTypes,
  greeting,
  headerBlock,
  headersFrame,
} from '../../support/wire/http2-frames.js';
import { malformedHeaders, malformedHttp2 } from '../../support/malformed.js';

/** These tests exceed the default limit of failed authentications. */
t.setTimeout(240_000);
const daemon = await TestDaemon.start(t, 'limits:\n  failedAuthentications: 1000000');

const inHome = (name: string) => join(daemon.home, name);

/** What the daemon may answer, or ignore, without ending anything. */
const harmless = new Set([
  'a frame of a type that there is not',
  'priorities without end',
  'more streams than there may be',
  'empty data without end',
  'replies that nothing is asked of',
  'a window that grows too far',
  'settings without end',
  'pings without end',
  // The second stream is ignored if the first one is already closed.
  'a stream number that goes back',
  // A client is bound by the limit in the settings only once it has acknowledged them; nghttp2 accepts 64 KiB at most.
  'a header list past its limit',
]);

const ends = ({ type }: ReceivedFrame) => type === frameTypes.goaway || type === frameTypes.rstStream;

async function isServed(): Promise<boolean> {
  const session = connectHttp2(endpointOf(daemon), { ca: daemon.ca, servername: 'localhost' });
  const { host, ...headers } = signedHeadersOf(daemon);
  const stream = session.request({ ':method': 'POST', ':authority': host, ...headers });
  stream.end('{}');
  const [reply] = (await once(stream, 'response')) as [Record<string, unknown>];
  session.destroy();
  return reply[':status'] === 200;
}

void t.test(
  'frames that break the protocol end the stream or the connection',
  { timeout: 120_000 },
  async (t) => {
    for (const [name, bytes] of Object.entries(malformedHttp2)) {
      const quiet = harmless.has(name) ? 200 : 10_000;
      const received = await exchangeFrames(await connectForFrames(daemon), bytes, quiet, (all) =>
        all.some(ends),
      );
      const { frames, closed } = received;
      t.ok(closed || frames.some(ends) || harmless.has(name), `${name}: ${frames.length} frames`);
      t.notOk(
        frames.some((each) => statusOf(each) === 200),
        `${name} reached no operation`,
      );
    }
    t.ok(await isServed());
  },
);

void t.test('header lists that are not allowed in a request are refused', { timeout: 120_000 }, async (t) => {
  for (const [name, headers] of Object.entries(malformedHeaders)) {
    const bytes = Buffer.concat([greeting(), headersFrame(1, headers)]);
    const isTold = ({ type, stream }: ReceivedFrame) => stream === 1 || type === frameTypes.goaway;
    const received = await exchangeFrames(await connectForFrames(daemon), bytes, 10_000, (all) =>
      all.some(isTold),
    );
    const told = received.frames.filter(isTold);
    t.ok(received.closed || told.length > 0, `${name}: ${received.frames.length} frames`);
    t.notOk(
      told.some((each) => statusOf(each) === 200),
      name,
    );
  }
  t.strictSame(daemon.events('CreateKey'), []);
  t.ok(await isServed());
});

void t.test('the daemon survives arbitrary frames', { timeout: 120_000 }, async (t) => {
  const { host, ...headers } = signedHeadersOf(daemon);
  const block = headerBlock([
    [':method', 'POST'],
    [':scheme', 'https'],
    [':path', '/'],
    [':authority', String(host)],
    ...Object.entries(headers).map(([name, value]) => [name, String(value)] as const),
  ]);
  const good = Buffer.concat([
    greeting(),
    frame(frameTypes.headers, endHeaders, 1, block),
    frame(frameTypes.data, endStream, 1, Buffer.from('{}')),
  ]);
  const anyFrame = fc
    .record({
      type: fc.oneof(fc.nat(9), fc.nat(255)),
      flags: fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 0x20), fc.nat(255)),
      stream: fc.oneof(fc.nat(7), fc.nat(0x7fffffff)),
      payload: fc.oneof(fc.constant(block), fc.uint8Array({ maxLength: 60 })),
    })
    .map(({ type, flags, stream, payload }) => frame(type, flags, stream, payload));
  const sequence = fc
    .array(anyFrame, { minLength: 1, maxLength: 12 })
    .map((frames) => Buffer.concat([greeting(), ...frames]));
  const mutated = fc
    .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((edits) => {
      const bytes = Buffer.from(good);
      for (const [at, put] of edits) bytes[at] = put;
      return bytes;
    });
  const garbage = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 3, arbitrary: sequence }, { weight: 3, arbitrary: mutated }, garbage), {
        minLength: 8,
        maxLength: 12,
      }),
      async (all) => {
        const send = async (bytes: Buffer) => exchangeFrames(await connectForFrames(daemon), bytes, 60);
        await Promise.all(all.map(send));
      },
    ),
    { numRuns: 6 },
  );
  t.ok(await isServed());
  t.notMatch(daemon.stdout + daemon.stderr, /"level":[56]0/, 'nothing was logged as an error');
});

void t.test('floods leave no memory behind', { timeout: 120_000 }, async (t) => {
  const resident = () =>
    Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))![1]) / 1024;
  const floods = Object.entries(malformedHttp2).filter(([name]) =>
    /without end|at once|unpacks|nothing is asked/.test(name),
  );
  for (let round = 0; round < 3; round++)
    await Promise.all(
      floods.map(async ([, bytes]) => exchangeFrames(await connectForFrames(daemon), bytes, 30)),
    );
  t.ok(resident() < 500, `${resident()} MB`);
  t.ok(await isServed());
});

/** Time-outs that no test reaches. */
const patient = { first: 100_000, request: 100_000, reply: 100_000, idle: 100_000, ping: 100_000 };

/** Lets a server listen on loopback until the test ends. */
async function portOf(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

void t.test('a client that disconnects is noticed at once, whatever it left unfinished', async (t) => {
  const open = () =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  const { certificate, key } = { certificate: inHome('tls/server.pem'), key: inHome('tls/server.key') };
  const server = createTlsServer(
    { cert: readFileSync(certificate), key: readFileSync(key), ALPNProtocols: alpnProtocols },
    () => undefined,
  );
  serveHttp2(server, (_request, response) => response.end('x'.repeat(100_000)), { ...patient, ping: 1_000 });
  const port = await portOf(t, server);
  const socket = await connectForFrames(daemon, port);
  await exchangeFrames(socket, malformedHttp2['replies that nothing is asked of']!, 200);
  while ((await open()) > 0) await new Promise((done) => setTimeout(done, 20));
  // The first write after the client has gone fails. From then on the session hangs, and no stream time-out ends it.
  for (let round = 0; round < 3; round++) {
    const floods = Object.values(malformedHttp2).map(async (bytes) =>
      exchangeFrames(await connectForFrames(daemon, port), bytes, 1),
    );
    await Promise.all(floods);
  }
  while ((await open()) > 0) await new Promise((done) => setTimeout(done, 20));
  t.pass();
});

void t.test('the number of streams over all connections is limited', async (t) => {
  const server = createServer(() => undefined);
  const sessions = new Http2Sessions(server, patient, 10);
  t.teardown(() => sessions.close());
  const port = await portOf(t, server);
  const clients = Array.from({ length: 2 }, () => connectHttp2(`http://127.0.0.1:${port}`));
  t.teardown(() => clients.forEach((client) => client.destroy()));
  const ended: number[] = [];
  const ask = (client: ClientHttp2Session) => {
    const stream = client.request({ ':path': '/' });
    stream.on('error', () => undefined);
    stream.on('close', () => ended.push(stream.rstCode));
    return stream;
  };
  const streams = Array.from({ length: 12 }, (_each, index) => ask(clients[index % 2]!));
  const refused = constants.NGHTTP2_REFUSED_STREAM;
  while (ended.length < 2) await new Promise((done) => setTimeout(done, 20));
  t.strictSame(ended, [refused, refused]);
  streams.find(({ closed }) => !closed)!.close();
  while (ended.length < 3) await new Promise((done) => setTimeout(done, 20));
  ask(clients[0]!);
  ask(clients[0]!);
  while (ended.length < 4) await new Promise((done) => setTimeout(done, 20));
  t.equal(ended[3], refused, 'a stream that has ended makes room for one other');
  await new Promise((done) => setTimeout(done, 200));
  t.equal(ended.length, 4);
});

void t.test('time-outs', async (t) => {
  const short = { first: 200, request: 200, reply: 200, idle: 200, ping: 60_000 };
  const server = createServer((_request, response) => response.end('x'.repeat(100_000)));
  const sessions = new Http2Sessions(server, short);
  t.teardown(() => sessions.close());
  const port = await portOf(t, server);
  const pinging = createServer(() => undefined);
  new Http2Sessions(pinging, { ...patient, ping: 200 });
  const until = async (bytes: Buffer, drip?: Buffer) => {
    const socket = connectSocket(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write(bytes);
    const timer = setInterval(() => drip && socket.write(drip), 20);
    await once(socket, 'close');
    clearInterval(timer);
    return framesOf(Buffer.concat(chunks));
  };
  const get = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
  ] as const;
  const ping = frame(frameTypes.ping, 0, 0, Buffer.alloc(8));
  const reset = (frames: ReturnType<typeof framesOf>) =>
    frames.some(({ type }) => type === frameTypes.rstStream);
  await until(greeting(), ping);
  t.pass('a connection without a stream is closed, even if it sends pings');
  const stalled = await until(Buffer.concat([greeting([4, 0]), headersFrame(1, get)]), ping);
  t.ok(reset(stalled), 'a reply for which the client gives no window is given up');
  const deaf = connectSocket(await portOf(t, pinging), '127.0.0.1');
  deaf.on('error', () => undefined);
  deaf.resume();
  deaf.write(Buffer.concat([greeting(), headersFrame(1, get, endHeaders)]));
  await once(deaf, 'close');
  t.pass('a connection that answers no ping is closed');
  const silent = await until(Buffer.concat([greeting(), headersFrame(1, get, endHeaders)]));
  t.ok(silent.length > 0, 'a request that does not end is given up');
});
