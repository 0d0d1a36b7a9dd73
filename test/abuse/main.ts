// Sends malformed requests by the thousand, and says what memory the daemon holds. Usage: scripts/abuse --help
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { send, signedHeadersOf } from '../support/aws-request.js';
import { TestDaemon } from '../support/daemon.js';
import { endHeaders, endStream, frame, frameTypes, greeting, headerBlock } from '../support/http2-frames.js';
import { connectForFrames, exchangeFrames } from '../support/http2-exchange.js';
import { malformedHeaders, malformedHttp1, malformedHttp2 } from '../support/malformed.js';

const program = new Command('scripts/abuse')
  .addArgument(new Argument('[requests]').default('100000'))
  .option('--at-once <n>', 'how many connections at the same time', '16')
  .parse();
const requests = Number(program.processedArgs[0]);
const atOnce = Number(program.opts<{ atOnce: string }>().atOnce);
if (!(requests >= 1000) || !(atOnce >= 1))
  program.error('It takes a number of requests from 1000, and --at-once one from 1.');

/** Streams of one HTTP/2 connection that carries malformed header lists. */
const streams = 25;

const teardowns: (() => unknown)[] = [];
const daemon = await TestDaemon.start(
  { teardown: (action) => teardowns.push(action) },
  'limits:\n  failedAuthentications: 1000000000',
);

function http1(bytes: string): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect(join(daemon.home, 'keyhold.sock'));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    const timer = setTimeout(() => socket.destroy(), 500);
    socket.on('data', () => socket.destroy());
    socket.once('close', () => clearTimeout(timer));
    socket.end(Buffer.from(bytes, 'latin1'));
  });
}

async function http2(bytes: Buffer): Promise<void> {
  await exchangeFrames(await connectForFrames(daemon), bytes, 20);
}

const lines = (headers: object) =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${String(value)}\r\n`)
    .join('');
const requestOf = (more: object) =>
  `POST / HTTP/1.1\r\n${lines({ ...signedHeadersOf(daemon), 'content-length': '2', ...more })}\r\n{}`;
const raw = Object.values(malformedHttp1(requestOf({}), requestOf({ 'content-encoding': 'gzip' })));
const floods = Object.values(malformedHttp2);
const lists = Object.values(malformedHeaders);

/** Many malformed streams in one connection. */
const manyStreams = (from: number) =>
  Buffer.concat([
    greeting(),
    ...Array.from({ length: streams }, (_each, index) =>
      frame(
        frameTypes.headers,
        endHeaders | endStream,
        2 * index + 1,
        headerBlock(lists[(from + index) % lists.length]!),
      ),
    ),
  ]);

const resident = () =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]) / 1024;

let sent = 0;
const counts = { 'HTTP/1.1': 0, 'HTTP/2 connections': 0, 'HTTP/2 streams': 0 };

/** Of twenty connections seventeen are of HTTP/1.1, two carry header lists, one a flood. */
async function lane(): Promise<void> {
  while (sent < requests) {
    const turn = sent % 20;
    if (turn === 18) {
      sent += 1;
      counts['HTTP/2 connections'] += 1;
      await http2(floods[counts['HTTP/2 connections'] % floods.length]!);
    } else if (turn === 19) {
      sent += streams;
      counts['HTTP/2 streams'] += streams;
      await http2(manyStreams(sent));
    } else {
      sent += 1;
      counts['HTTP/1.1'] += 1;
      await http1(raw[counts['HTTP/1.1'] % raw.length]!);
    }
  }
}

const step = Math.ceil(requests / 10);
const before = resident();
process.stdout.write(`before: ${before.toFixed(0)} MB\n`);
let next = step;
const watch = setInterval(() => {
  if (sent < next) return;
  process.stdout.write(`${sent} requests: ${resident().toFixed(0)} MB\n`);
  next += step;
}, 100);
let status = 1;
try {
  await Promise.all(Array.from({ length: atOnce }, lane));
  const { status: served } = await send(daemon);
  const errors = (daemon.stdout + daemon.stderr).split('\n').filter((line) => /"level":[56]0/.test(line));
  process.stdout.write(
    `${JSON.stringify(counts)}\nafter: ${resident().toFixed(0)} MB; a good request: ${served}; errors in the log: ${errors.length}\n`,
  );
  // Buffers of V8 and of nghttp2 come and go; what leaks with each request shows as hundreds of megabytes.
  status = served === 200 && errors.length === 0 && resident() < before + 150 ? 0 : 1;
} finally {
  clearInterval(watch);
  for (const action of teardowns) await action();
}
process.exitCode = status;
