// HTTP/2 beside HTTP/1.1 on one TLS port, by ALPN. The `allowHTTP1` of node:http2 would serve HTTP/1.1 without the
// time-outs that node:https has for headers and requests (nodejs/node#59783).
import {
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { RequestListener } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  headersTimeout,
  idleTimeout,
  keepAliveTimeout,
  maxHeaderSize,
  pingInterval,
  requestTimeout,
} from './options.js';
import type { Gate } from '../gate.js';
import { StreamShares } from './stream-shares.js';

/** Protocols that the TLS port offers, the best first. */
export const alpnProtocols = ['h2', 'http/1.1'];

/** Streams of one connection at once. */
const maxConcurrentStreams = 100;
/** Of all connections: one that is open takes 7 KB before anybody is authenticated. */
const maxStreams = 16_384;

/** Milliseconds. */
export interface Http2Timeouts {
  /** From the connection to its first stream. */
  readonly first: number;
  /** From a stream's begin to the end of its request. */
  readonly request: number;
  /** From there until the reply is taken: a client that opens no window would keep it here for ever. */
  readonly reply: number;
  /** Without a stream. */
  readonly idle: number;
  /** Between two pings, and for the answer to one. */
  readonly ping: number;
}

const defaultTimeouts: Http2Timeouts = {
  first: headersTimeout,
  request: requestTimeout,
  reply: idleTimeout,
  idle: keepAliveTimeout,
  ping: pingInterval,
};

/** Hands the connections that have agreed on HTTP/2 to a server of their own. @returns its sessions */
export function serveHttp2(
  tls: TlsServer,
  onRequest: RequestListener,
  timeouts: Http2Timeouts = defaultTimeouts,
  gate?: Gate,
): Http2Sessions {
  const http2 = createServer(
    { settings: { maxConcurrentStreams, maxHeaderListSize: maxHeaderSize, enableConnectProtocol: false } },
    // The compatibility layer gives requests and responses the interface of node:http.
    onRequest as never,
  );
  const [serveHttp1] = tls.listeners('secureConnection') as ((this: TlsServer, socket: TLSSocket) => void)[];
  tls.removeListener('secureConnection', serveHttp1!);
  tls.on('secureConnection', (socket) => {
    if (socket.alpnProtocol !== 'h2') {
      serveHttp1!.call(tls, socket);
      return;
    }
    // The server's sockets stay half open, as HTTP/1.1 wants it: a client that has gone would be noticed by time-outs alone.
    socket.once('end', () => socket.destroy());
    http2.emit('connection', socket);
  });
  return new Http2Sessions(http2, timeouts, maxStreams, gate);
}

/** The time-outs that node:http2 lacks: bytes that trickle in keep none of them from passing. */
export class Http2Sessions {
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #shares: StreamShares;
  #streams = 0;

  constructor(
    server: Http2Server,
    private readonly timeouts: Http2Timeouts,
    private readonly limit: number = maxStreams,
    private readonly gate?: Gate,
  ) {
    this.#shares = new StreamShares(limit);
    // A session shows its socket as one that cannot be destroyed. It is made, and told of, while its connection is.
    server.prependListener('connection', (socket: Socket) =>
      server.once('session', (session) => this.#watch(session, socket)),
    );
    // A peer that breaks the protocol or resets its connection is no fault of the daemon.
    server.on('sessionError', (_error, session) => session.destroy());
  }

  /** Finishes what is in flight and takes nothing new. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }

  #watch(session: ServerHttp2Session, socket: Socket): void {
    this.#sessions.add(session);
    const gated = this.gate?.connectionOf(socket);
    let open = 0;
    let idle = setTimeout(() => session.destroy(), this.timeouts.first);
    const pings = this.#ping(session, socket);
    session.on('stream', (stream: ServerHttp2Stream) => {
      open += 1;
      this.#streams += 1;
      clearTimeout(idle);
      const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
      let late = setTimeout(cancel, this.timeouts.request);
      stream.once('end', () => {
        clearTimeout(late);
        late = setTimeout(cancel, this.timeouts.reply);
      });
      stream.once('close', () => {
        clearTimeout(late);
        open -= 1;
        this.#streams -= 1;
        if (open === 0 && !session.destroyed) idle = this.#whenIdle(session);
      });
      const giveBack = gated ? this.#shares.take(session, gated) : () => undefined;
      if (giveBack) stream.once('close', giveBack);
      if (!giveBack || this.#streams > this.limit) stream.close(constants.NGHTTP2_REFUSED_STREAM);
    });
    // Not the session's end, which does not come where a write hangs.
    socket.once('close', () => {
      clearTimeout(idle);
      clearInterval(pings);
      this.#sessions.delete(session);
      if (gated) this.#shares.forget(session, gated);
    });
  }

  /**
   * Ends the connection of a peer that answers no ping. After a write that failed Node neither reads nor writes any more, and
   * tells nobody: the session of a client that went at a bad time would stay for ever, with all of its streams.
   */
  #ping(session: ServerHttp2Session, socket: Socket): NodeJS.Timeout {
    let isOwed = false;
    const check = () => {
      if (isOwed || session.destroyed) socket.destroy();
      else isOwed = session.ping(() => (isOwed = false));
    };
    // An answer that came while the daemon stood still is read first.
    return setInterval(() => setImmediate(check), this.timeouts.ping);
  }

  /** Says goodbye, and does not wait for a peer that does not go. */
  #whenIdle(session: ServerHttp2Session): NodeJS.Timeout {
    return setTimeout(() => {
      session.close();
      setTimeout(() => session.destroy(), this.timeouts.first).unref();
    }, this.timeouts.idle);
  }
}
