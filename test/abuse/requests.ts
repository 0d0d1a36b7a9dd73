// The malformed requests that are sent, over HTTP/1.1 through the unix socket and over HTTP/2 through TLS.
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { signedHeadersOf } from '../support/aws/aws-request.js';
import type { TestDaemon } from '../support/daemon.js';
import {
  endHeaders,
  endStream,
  frame,
  frameTypes,
  greeting,
  headerBlock,
} from '../support/wire/http2-frames.js';
import { connectForFrames, exchangeFrames } from '../support/wire/http2-exchange.js';
import { malformedHeaders, malformedHttp1, malformedHttp2 } from '../support/malformed.js';

/** Streams with malformed header lists on one HTTP/2 connection. */
const streams = 25;

const floods = Object.values(malformedHttp2);
const lists = Object.values(malformedHeaders);

export class Abuse {
  /** Requests sent; each HTTP/2 stream counts as one. */
  sent = 0;
  readonly counts = { 'HTTP/1.1': 0, 'HTTP/2 connections': 0, 'HTTP/2 streams': 0 };
  readonly #raw: readonly string[];

  constructor(private readonly daemon: TestDaemon) {
    const requestOf = (more: object) =>
      `POST / HTTP/1.1\r\n${lines({ ...signedHeadersOf(daemon), 'content-length': '2', ...more })}\r\n{}`;
    this.#raw = Object.values(malformedHttp1(requestOf({}), requestOf({ 'content-encoding': 'gzip' })));
  }

  /** Sends until the total has reached a number of requests. @param atOnce connections at a time */
  async send(until: number, atOnce: number): Promise<void> {
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (this.sent < until) await this.#next();
      }),
    );
  }

  /** Of twenty connections, seventeen are HTTP/1.1, two carry malformed header lists, one a flood. */
  #next(): Promise<void> {
    const turn = this.sent % 20;
    if (turn === 18) {
      this.sent += 1;
      this.counts['HTTP/2 connections'] += 1;
      return this.#http2(floods[this.counts['HTTP/2 connections'] % floods.length]!);
    }
    if (turn === 19) {
      this.sent += streams;
      this.counts['HTTP/2 streams'] += streams;
      return this.#http2(manyStreams(this.sent));
    }
    this.sent += 1;
    this.counts['HTTP/1.1'] += 1;
    return this.#http1(this.#raw[this.counts['HTTP/1.1'] % this.#raw.length]!);
  }

  #http1(bytes: string): Promise<void> {
    return new Promise((resolve) => {
      const socket: Socket = connect(join(this.daemon.home, 'keyhold.sock'));
      socket.on('error', () => undefined);
      const timer = setTimeout(() => socket.destroy(), 500);
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.on('data', () => socket.destroy());
      socket.end(Buffer.from(bytes, 'latin1'));
    });
  }

  async #http2(bytes: Buffer): Promise<void> {
    await exchangeFrames(await connectForFrames(this.daemon), bytes, 20);
  }
}

function lines(headers: object): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${String(value)}\r\n`)
    .join('');
}

/** Sends many malformed streams over one connection. */
function manyStreams(from: number): Buffer {
  const frames = Array.from({ length: streams }, (_each, index) =>
    frame(
      frameTypes.headers,
      endHeaders | endStream,
      2 * index + 1,
      headerBlock(lists[(from + index) % lists.length]!),
    ),
  );
  return Buffer.concat([greeting(), ...frames]);
}
