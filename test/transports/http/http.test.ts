// The HTTP layer: protocols, limits, and invalid requests.
import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { endpointOf } from '../../support/aws/aws.js';
import { send, signedHeadersOf } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';
import { malformedHttp1 } from '../../support/malformed.js';

/** These tests exceed the default limit of failed authentications. */
const manyFailures = 'limits:\n  failedAuthentications: 1000000';

const daemon = await TestDaemon.start(t, manyFailures);

/** Sends bytes over the unix socket. @returns the reply, until the daemon closes or is silent after a reply */
function raw(bytes: string | Buffer, quiet = 10_000): Promise<string> {
  return exchange(connectSocket(join(daemon.home, 'keyhold.sock')), bytes, quiet);
}

function exchange(socket: Socket, bytes: string | Buffer, quiet = 10_000): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const close = () => socket.destroy();
    let timer = setTimeout(close, quiet);
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      clearTimeout(timer);
      timer = setTimeout(close, 100);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
    socket.write(bytes);
  });
}

const statusesOf = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

/** A signed request as bytes. */
function requestBytes(body = '{}', extra: Record<string, string> = {}): string {
  const headers = {
    ...signedHeadersOf(daemon, { body }),
    'content-length': String(Buffer.byteLength(body)),
    ...extra,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  return `POST / HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

void t.test('one TLS port speaks HTTP/1.1 and HTTP/2, TLS 1.2 and 1.3', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const protocol of ['http/1.1', 'h2', undefined]) {
      const socket = connectTls({
        port: Number(new URL(daemon.wss).port),
        host: '127.0.0.1',
        ca: daemon.ca,
        maxVersion,
        ALPNProtocols: protocol === undefined ? [] : [protocol],
      });
      await once(socket, 'secureConnect');
      t.equal(socket.getProtocol(), maxVersion);
      t.equal(socket.alpnProtocol, protocol ?? false);
      if (protocol !== 'h2') t.strictSame(statusesOf(await exchange(socket, requestBytes())), [200]);
      else socket.destroy();
    }
  }
});

void t.test('a connection is kept for the next request', async (t) => {
  const socket = connectSocket(join(daemon.home, 'keyhold.sock'));
  for (let round = 0; round < 3; round++) {
    socket.write(requestBytes());
    const [data] = (await once(socket, 'data')) as [Buffer];
    t.match(data.toString(), /^HTTP\/1\.1 200 OK[\s\S]*\{"Keys"/);
  }
  const text = await exchange(socket, requestBytes() + requestBytes('{"Limit":5}'));
  t.strictSame(statusesOf(text), [200, 200], 'two requests in one write are both answered');
});

interface Http2Reply {
  readonly status: number;
  readonly text: string;
}

function http2Request(session: ClientHttp2Session, headers: object, body = '{}'): Promise<Http2Reply> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': '/', ...headers }, { endStream: false });
    let status = 0;
    let text = '';
    stream.on('response', (reply) => (status = Number(reply[':status'])));
    stream.on('data', (data: Buffer) => (text += data.toString()));
    stream.on('end', () => resolve({ status, text }));
    stream.on('error', reject);
    stream.end(body);
  });
}

void t.test('HTTP/2', async (t) => {
  const session = connectHttp2(endpointOf(daemon), { ca: daemon.ca, servername: 'localhost' });
  t.teardown(() => session.destroy());
  const { host, ...headers } = signedHeadersOf(daemon);
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => http2Request(session, { ...headers, ':authority': host })),
  );
  t.ok(
    replies.every(({ status, text }) => status === 200 && text.startsWith('{"Keys"')),
    replies[0]!.text,
  );
  t.match(
    await http2Request(session, { ...headers, ':authority': 'elsewhere.example' }),
    { status: 400, text: /InvalidSignatureException/ },
    'the authority is signed as the host, so a wrong one is refused',
  );
  t.match(await http2Request(session, { ':method': 'GET', ':path': '/healthz' }, ''), {
    status: 200,
    text: '{"healthy":true}\n',
  });
  t.match(await http2Request(session, { ...headers, ':authority': host }, 'x'.repeat(300_000)), {
    status: 413,
  });
  await t.rejects(
    http2Request(session, { ...headers, 'x-large': 'x'.repeat(20_000) }),
    'headers past the limit end the stream',
  );
});

void t.test('the WebSocket upgrade and /healthz stay on the port', async (t) => {
  const client = await daemon.connect({ url: daemon.wss, ca: daemon.ca });
  t.match(await client.listKeys({}), { keys: [] });
  await client.close();
  const reply = await send(daemon, { method: 'GET', path: '/healthz', body: '' });
  t.match(reply, { status: 200, text: '{"healthy":true}\n' });
  t.match(await send(daemon, { method: 'GET', path: '/', body: '' }), { status: 404, message: /POST/ });
});

void t.test('a body up to the limit is read, and a larger one is refused', async (t) => {
  const body = (length: number) => `{"a":"${'x'.repeat(length - 8)}"}`;
  t.match(await send(daemon, { body: body(262_144) }), { status: 200 });
  const tooLarge = { status: 413, __type: 'RequestEntityTooLargeException', message: /262144 bytes/ };
  t.match(await send(daemon, { body: body(262_145) }), tooLarge);
  t.match(await send(daemon, { body: body(262_145), headers: { 'transfer-encoding': 'chunked' } }), tooLarge);
  const endless = await raw(
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n${'x'.repeat(5_000_000)}`,
  );
  t.match(
    endless,
    /^HTTP\/1\.1 413 [\s\S]*RequestEntityTooLarge/,
    'a body that is too long is refused before its end',
  );
});

void t.test('headers past the limit are refused', async (t) => {
  t.match(await raw(`POST / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  t.match(await raw(`POST /${'x'.repeat(17_000)} HTTP/1.1\r\nHost: x\r\n\r\n`), /^HTTP\/1\.1 431 /);
  const many = Array.from({ length: 3_000 }, (_each, index) => `a${index}: b\r\n`).join('');
  t.match(await raw(`POST / HTTP/1.1\r\nHost: x\r\n${many}\r\n`), /^HTTP\/1\.1 431 /);
});

void t.test('Expect: 100-continue is answered before the body is sent', async (t) => {
  const socket = connectSocket(join(daemon.home, 'keyhold.sock'));
  const [head = '', body = ''] = requestBytes('{}', { expect: '100-continue' }).split(/(?<=\r\n\r\n)/);
  socket.write(head);
  const [first] = (await once(socket, 'data')) as [Buffer];
  t.equal(first.toString(), 'HTTP/1.1 100 Continue\r\n\r\n');
  t.strictSame(statusesOf(await exchange(socket, body)), [200]);
  t.match(await raw(requestBytes('{}', { expect: 'magic' })), /^HTTP\/1\.1 417 /);
});

void t.test('ambiguous requests, which two parsers may read differently, are refused', async (t) => {
  const good = requestBytes();
  const cases = malformedHttp1(good, requestBytes('{}', { 'content-encoding': 'gzip' }));
  for (const [name, bytes] of Object.entries(cases)) {
    const text = await raw(bytes);
    const statuses = statusesOf(text);
    t.ok(
      statuses.length === 1 && statuses[0]! >= 400 && statuses[0]! < 500,
      `${name}: ${text.slice(0, 300)}`,
    );
    t.match(text, /"__type":"[A-Za-z]+Exception","message":"[^"]/, `${name} gets a readable error`);
  }
  t.strictSame(daemon.events('CreateKey'), []);
});

void t.test('a body in gzip is refused, with and without its header', async (t) => {
  const zipped = gzipSync('{}');
  t.match(await send(daemon, { body: zipped, headers: { 'content-encoding': 'gzip' } }), {
    __type: 'SerializationException',
    message: /without the encoding gzip/,
  });
  t.match(await send(daemon, { body: zipped }), { __type: 'SerializationException', message: /not JSON/ });
});

void t.test('a client that disconnects during a request leaves nothing behind', async (t) => {
  const bytes = requestBytes('{"Limit":1}');
  for (let length = 1; length < bytes.length; length += 29) {
    const socket = connectSocket(join(daemon.home, 'keyhold.sock'));
    socket.on('error', () => undefined);
    socket.write(bytes.slice(0, length), () => socket.destroy());
    await once(socket, 'close');
  }
  t.match(await send(daemon), { status: 200 });
});

void t.test('the daemon answers arbitrary bytes with an error or closes, and keeps running', async (t) => {
  const good = requestBytes();
  const piece = fc.oneof(
    fc.constantFrom(
      '\r\n',
      '\r\n\r\n',
      ':',
      ' ',
      '\0',
      'Content-Length: 5\r\n',
      'Transfer-Encoding: chunked\r\n',
      '{',
      '"',
      'POST / HTTP/1.1\r\n',
    ),
    fc.string({ maxLength: 20, unit: 'binary' }),
  );
  const mutated = fc
    .array(fc.tuple(fc.nat(good.length), fc.nat(10), piece), { minLength: 1, maxLength: 4 })
    .map((edits) =>
      edits.reduce((text, [at, length, put]) => text.slice(0, at) + put + text.slice(at + length), good),
    );
  const garbage = fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  const before = daemon.events('CreateKey').length;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 4, arbitrary: mutated }, garbage), { minLength: 10, maxLength: 20 }),
      async (texts) => {
        const replies = await Promise.all(texts.map((text) => raw(Buffer.from(text, 'latin1'), 100)));
        return replies
          .flatMap(statusesOf)
          .every((status) => [200, 400, 404, 408, 413, 417, 431].includes(status));
      },
    ),
    { numRuns: 40 },
  );
  t.equal(daemon.events('CreateKey').length, before);
  t.match(await send(daemon), { status: 200 });
  t.notMatch(daemon.stdout + daemon.stderr, /"level":[56]0/, 'nothing was logged as an error');
});

void t.test('slow senders are cut off, over HTTP/1.1 and HTTP/2', { timeout: 60_000 }, async (t) => {
  const started = Date.now();
  const trickle = async (socket: Socket, head: string) => {
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => (text += data.toString('latin1')));
    socket.write(head);
    const drip = setInterval(() => socket.write('x'), 500);
    await once(socket, 'close');
    clearInterval(drip);
    return { text, seconds: (Date.now() - started) / 1000 };
  };
  const tls = (protocol: string) =>
    connectTls({
      port: Number(new URL(daemon.wss).port),
      host: '127.0.0.1',
      ca: daemon.ca,
      ALPNProtocols: [protocol],
    });
  const [headers, nothing, body, http2] = await Promise.all([
    trickle(tls('http/1.1'), 'POST / HTTP/1.1\r\nX-Slow: '),
    trickle(connectSocket(join(daemon.home, 'keyhold.sock')), ''),
    trickle(tls('http/1.1'), 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n'),
    // The preface, settings, and a header block that does not end.
    trickle(tls('h2'), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\x3f\xff\x01\0\0\0\0\x01'),
  ]);
  t.ok(headers.seconds < 15, `incomplete headers: cut off after ${headers.seconds} s`);
  t.match(headers.text, /^HTTP\/1\.1 408 /);
  t.ok(nothing.seconds < 15, `an incomplete first line: cut off after ${nothing.seconds} s`);
  t.ok(body.seconds < 25, `an incomplete body: cut off after ${body.seconds} s`);
  t.ok(http2.seconds < 15, `incomplete HTTP/2 headers: cut off after ${http2.seconds} s`);
});
