// Requests that are malformed, or that different parsers read differently, by name.
import {
  endHeaders,
  endStream,
  frame,
  frameTypes,
  greeting,
  headerBlock,
  headersFrame,
  preface,
} from './wire/http2-frames.js';

/**
 * @param good a valid request, with `Content-Length: 2` and the body `{}`
 * @param zipped a request that declares its body compressed
 */
export function malformedHttp1(good: string, zipped: string): Readonly<Record<string, string>> {
  const chunked = (body: string) =>
    good.replace('content-length: 2\r\n', 'transfer-encoding: chunked\r\n').replace('{}', body);
  const insert = (header: string) => good.replace('\r\n', `\r\n${header}\r\n`);
  return {
    'two lengths': insert('Content-Length: 7'),
    'a length and chunks': insert('Transfer-Encoding: chunked'),
    'chunks, then another coding': good.replace('content-length: 2', 'transfer-encoding: chunked, gzip'),
    'a coding with a space before the colon': insert('Transfer-Encoding : chunked'),
    'a negative length': good.replace('content-length: 2', 'content-length: -2'),
    'a length in hex': good.replace('content-length: 2', 'content-length: 0x2'),
    'a length with a sign': good.replace('content-length: 2', 'content-length: +2'),
    'a folded header': insert('X-A: b\r\n c'),
    'a bare line feed': good.replace('\r\n', '\n'),
    'a bare carriage return': insert('X-A: b\rX-B: c'),
    'a zero byte in a header': insert('X-A: b\0c'),
    'a space in the target': good.replace('POST / ', 'POST / / '),
    'no host': good.replace(/host: .*\r\n/, ''),
    'two hosts': insert('Host: elsewhere.example'),
    'HTTP/0.9': 'POST /\r\n\r\n',
    'HTTP/3.0': good.replace('HTTP/1.1', 'HTTP/3.0'),
    'HTTP/2 without TLS': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    TLS: '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
    'a chunk with a bad size': good
      .replace('content-length: 2\r\n', 'transfer-encoding: chunked\r\n')
      .replace('{}', 'zz\r\n{}\r\n0\r\n\r\n'),
    'a chunk longer than it says': good
      .replace('content-length: 2\r\n', 'transfer-encoding: chunked\r\n')
      .replace('{}', '1\r\n{}\r\n0\r\n\r\n'),
    'a length with an empty name before it': insert(': Content-Length'),
    'a tab before the colon': insert('Content-Length\t: 7'),
    'a length of two numbers': good.replace('content-length: 2', 'content-length: 2, 3'),
    'a coding that is none': insert('Transfer-Encoding: xchunked').replace('content-length: 2\r\n', ''),
    'a coding in an odd case, and a length': insert('tRANSFER-eNCODING: Chunked'),
    'a chunk size past 64 bits': chunked('fffffffffffffffff\r\n{}\r\n0\r\n\r\n'),
    'a chunk size with a sign': chunked('+2\r\n{}\r\n0\r\n\r\n'),
    'a chunk size in bare line feeds': chunked('2\n{}\n0\n\n'),
    'extensions of a chunk past all bounds': chunked(`2;${'x'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`),
    'a method that is none': good.replace('POST', 'PO ST'),
    'Authorization twice': insert('Authorization: AWS4-HMAC-SHA256 x'),
    'X-Amz-Target twice': insert('X-Amz-Target: TrentService.CreateKey'),
    'X-Amz-Date twice': insert('X-Amz-Date: 20260101T000000Z'),
    'Content-Type twice': insert('Content-Type: application/x-amz-json-1.1'),
    'a body in gzip': zipped,
  };
}

const {
  data,
  headers,
  priority,
  rstStream,
  settings,
  pushPromise,
  ping,
  goaway,
  windowUpdate,
  continuation,
} = frameTypes;
const initialWindowSize = 4;

type Header = readonly [name: string, value: string];

const post: readonly Header[] = [
  [':method', 'POST'],
  [':scheme', 'https'],
  [':path', '/'],
  [':authority', 'localhost'],
  ['content-type', 'application/x-amz-json-1.1'],
  ['x-amz-target', 'TrentService.ListKeys'],
];
const without = (name: string) => post.filter(([each]) => each !== name);
const repeat = (count: number, make: (index: number) => Buffer) =>
  Buffer.concat(Array.from({ length: count }, (_each, index) => make(index)));
const number = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** Header lists that RFC 9113, section 8, or the daemon forbids; each is a separate request. */
export const malformedHeaders: Readonly<Record<string, readonly Header[]>> = {
  'no method': without(':method'),
  'no path': without(':path'),
  'no scheme': without(':scheme'),
  'an empty path': [...without(':path'), [':path', '']],
  'a path without a slash': [...without(':path'), [':path', 'x']],
  'a method twice': [[':method', 'POST'], ...post],
  'a path twice': [...post.slice(0, 4), [':path', '/healthz'], ...post.slice(4)],
  'a pseudo-header that there is not': [[':other', 'x'], ...post],
  'a pseudo-header of replies': [[':status', '200'], ...post],
  'a pseudo-header after a header': [...post.slice(4), ...post.slice(0, 4)],
  'a name in upper case': [...post, ['X-Upper', 'x']],
  'an empty name': [...post, ['', 'x']],
  'a name with a space': [...post, ['a b', 'x']],
  'a line feed in a value': [...post, ['x-a', 'b\nx-b: c']],
  'a zero byte in a value': [...post, ['x-a', 'b\0c']],
  'a header of the connection': [...post, ['connection', 'keep-alive']],
  chunks: [...post, ['transfer-encoding', 'chunked']],
  'an upgrade': [...post, ['upgrade', 'websocket']],
  'te that is no trailers': [...post, ['te', 'gzip']],
  'a length that is none': [...post, ['content-length', 'x']],
  'a length that the body does not have': [...post, ['content-length', '7']],
  'two lengths': [...post, ['content-length', '0'], ['content-length', '7']],
  'a host beside the authority': [...post, ['host', 'elsewhere.example']],
  'the target twice': [...post, ['x-amz-target', 'TrentService.CreateKey']],
  CONNECT: [
    [':method', 'CONNECT'],
    [':authority', 'localhost:1'],
  ],
  'an extended CONNECT': [[':method', 'CONNECT'], [':protocol', 'websocket'], ...post.slice(1)],
  'no signature': post,
  'more headers than there may be': [...post, ...Array.from({ length: 300 }, (): Header => ['a', ''])],
};

/** Bytes that a client sends after the TLS handshake. */
export const malformedHttp2: Readonly<Record<string, Buffer>> = {
  'HTTP/1.1': Buffer.from('POST / HTTP/1.1\r\nHost: x\r\n\r\n'),
  'no preface': frame(settings, 0, 0),
  'a preface that breaks off': Buffer.concat([preface.subarray(0, 20), Buffer.from('xxxx\r\n\r\n')]),
  'no settings': Buffer.concat([preface, headersFrame(1, post)]),
  'a frame longer than it may be': Buffer.concat([
    greeting(),
    frame(data, 0, 1, Buffer.alloc(100), 0xffffff),
  ]),
  'a frame of a type that there is not': Buffer.concat([greeting(), frame(99, 255, 1, Buffer.alloc(100))]),
  'settings of a wrong length': Buffer.concat([greeting(), frame(settings, 0, 0, Buffer.alloc(5))]),
  'settings of a stream': Buffer.concat([greeting(), frame(settings, 0, 1)]),
  'a window past 31 bits': greeting([initialWindowSize, 0x80000000]),
  'a frame size past 24 bits': greeting([5, 0x1000000]),
  'a ping of a wrong length': Buffer.concat([greeting(), frame(ping, 0, 0, Buffer.alloc(7))]),
  'a stream of an even number': Buffer.concat([greeting(), headersFrame(2, post)]),
  'headers of the connection': Buffer.concat([greeting(), headersFrame(0, post)]),
  'a stream number that goes back': Buffer.concat([greeting(), headersFrame(5, post), headersFrame(3, post)]),
  'a stream that was closed': Buffer.concat([greeting(), headersFrame(1, post), headersFrame(1, post)]),
  'data of a stream that is not open': Buffer.concat([greeting(), frame(data, 0, 1, Buffer.from('{}'))]),
  'a push of the client': Buffer.concat([greeting(), frame(pushPromise, endHeaders, 1, number(2))]),
  'a stream that depends on itself': Buffer.concat([
    greeting(),
    frame(priority, 0, 1, Buffer.concat([number(1), Buffer.of(1)])),
  ]),
  'a window that grows by nothing': Buffer.concat([greeting(), frame(windowUpdate, 0, 0, number(0))]),
  'a window that grows too far': Buffer.concat([
    greeting(),
    repeat(3, () => frame(windowUpdate, 0, 0, number(0x7fffffff))),
  ]),
  'a reset of a stream that is not open': Buffer.concat([greeting(), frame(rstStream, 0, 1, number(8))]),
  'a goodbye': Buffer.concat([greeting(), frame(goaway, 0, 0, Buffer.alloc(8))]),
  'a continuation of nothing': Buffer.concat([
    greeting(),
    frame(continuation, endHeaders, 1, headerBlock(post)),
  ]),
  'headers that something comes between': Buffer.concat([
    greeting(),
    headersFrame(1, post, 0),
    frame(data, endStream, 1, Buffer.from('{}')),
  ]),
  'a header block that is none': Buffer.concat([
    greeting(),
    frame(headers, endHeaders | endStream, 1, Buffer.alloc(50, 0xff)),
  ]),
  'trailers with a pseudo-header': Buffer.concat([
    greeting(),
    headersFrame(1, post, endHeaders),
    frame(data, 0, 1, Buffer.from('{}')),
    headersFrame(1, [[':path', '/']]),
  ]),
  'trailers that do not end the stream': Buffer.concat([
    greeting(),
    headersFrame(1, post, endHeaders),
    headersFrame(1, [['x-a', 'b']], endHeaders),
  ]),
  'a header list past its limit': Buffer.concat([
    greeting(),
    headersFrame(1, [...post, ['x-a', 'x'.repeat(16_000)]], endStream),
    frame(continuation, endHeaders, 1, headerBlock([['x-b', 'x'.repeat(8_000)]])),
  ]),
  // One entry of 4,000 bytes in the dynamic table, and 8,000 references to it.
  'a header list that unpacks to 32 MB': Buffer.concat([
    greeting(),
    frame(
      headers,
      endHeaders | endStream,
      1,
      Buffer.concat([
        headerBlock(post),
        Buffer.of(0x40),
        headerBlock([['a', 'x'.repeat(3_900)]]).subarray(1),
        Buffer.alloc(8_000, 0xbe),
      ]),
    ),
  ]),
  'continuations without end': Buffer.concat([
    greeting(),
    headersFrame(1, post, 0),
    repeat(2_000, () => frame(continuation, 0, 1, headerBlock([['x-a', 'x'.repeat(100)]]))),
  ]),
  'empty continuations without end': Buffer.concat([
    greeting(),
    headersFrame(1, post, 0),
    repeat(20_000, () => frame(continuation, 0, 1)),
  ]),
  'streams that are reset at once': Buffer.concat([
    greeting(),
    repeat(3_000, (index) =>
      Buffer.concat([
        headersFrame(2 * index + 1, post, endHeaders),
        frame(rstStream, 0, 2 * index + 1, number(8)),
      ]),
    ),
  ]),
  'more streams than there may be': Buffer.concat([
    greeting(),
    repeat(1_000, (index) => headersFrame(2 * index + 1, post, endHeaders)),
  ]),
  'settings without end': Buffer.concat([greeting(), repeat(20_000, () => frame(settings, 0, 0))]),
  'pings without end': Buffer.concat([greeting(), repeat(20_000, () => frame(ping, 0, 0, Buffer.alloc(8)))]),
  'priorities without end': Buffer.concat([
    greeting(),
    repeat(20_000, (index) => frame(priority, 0, 2 * index + 1, Buffer.concat([number(0), Buffer.of(1)]))),
  ]),
  'empty data without end': Buffer.concat([
    greeting(),
    headersFrame(1, post, endHeaders),
    repeat(20_000, () => frame(data, 0, 1)),
  ]),
  'replies that nothing is asked of': Buffer.concat([
    greeting([initialWindowSize, 0]),
    repeat(100, (index) => headersFrame(2 * index + 1, post)),
  ]),
};
