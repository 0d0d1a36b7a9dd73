// Serves HTTP/2 and HTTP/1.1 on one TLS port, chosen by ALPN. The `allowHTTP1` of node:http2 would serve HTTP/1.1 without
// the time-outs that node:https has for headers and requests (nodejs/node#59783).
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

/** ALPN protocols that the TLS port offers, the preferred one first. */
export const alpnProtocols = ['h2', 'http/1.1'];

/** Maximum concurrent streams of one connection. */
const maxConcurrentStreams = 100;
/** Maximum concurrent streams of all connections: each takes 7 KB before anyone is authenticated. */
const maxStreams = 16_384;

/** Time-outs in milliseconds. */
export interface Http2Timeouts {
  /** From the connection to its first stream. */
  readonly first: number;
  /** From the beginning of a stream to the end of its request. */
  readonly request: number;
  /** From the end of the request until the response is received: a client with a closed window would hold it forever. */
  readonly reply: number;
  /** For a connection without streams. */
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

/**
 * Hands connections that negotiated HTTP/2 to an HTTP/2 server.
 * @param tls the server that accepts the connections, and keeps those of HTTP/1.1
 * @param gate undefined: streams are not counted by principal and source
 * @returns the sessions of the HTTP/2 server
 */
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
    // HTTP/1.1 needs half-open sockets. With HTTP/2 a client that closed its end would only be noticed by time-outs.
    socket.once('end', () => socket.destroy());
    http2.emit('connection', socket);
  });
  return new Http2Sessions(http2, timeouts, maxStreams, gate);
}

/** HTTP/2 sessions with the time-outs that node:http2 lacks. Slowly arriving bytes do not extend any of them. */
export class Http2Sessions {
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #shares: StreamShares;
  #streams = 0;

  /** @param limit maximum concurrent streams of all sessions */
  constructor(
    server: Http2Server,
    private readonly timeouts: Http2Timeouts,
    private readonly limit: number = maxStreams,
    private readonly gate?: Gate,
  ) {
    this.#shares = new StreamShares(limit);
    // The socket that a session exposes cannot be destroyed. The session is created synchronously, in this event.
    server.prependListener('connection', (socket: Socket) =>
      server.once('session', (session) => this.#watch(session, socket)),
    );
    // A peer that violates the protocol or resets its connection is not an error of the daemon.
    server.on('sessionError', (_error, session) => session.destroy());
  }

  /** Finishes the streams in flight and takes no new ones. */
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
    // The socket's close, not the session's: the session does not close while a write hangs.
    socket.once('close', () => {
      clearTimeout(idle);
      clearInterval(pings);
      this.#sessions.delete(session);
      if (gated) this.#shares.forget(session, gated);
    });
  }

  /**
   * Ends the connection of a peer that does not answer a ping. After a failed write Node silently stops reading and writing,
   * so the session of a client that went away at a bad time would stay forever, with all of its streams.
   */
  #ping(session: ServerHttp2Session, socket: Socket): NodeJS.Timeout {
    let isOwed = false;
    const check = () => {
      if (isOwed || session.destroyed) socket.destroy();
      else isOwed = session.ping(() => (isOwed = false));
    };
    // An answer that arrived while the event loop was blocked is read first.
    return setInterval(() => setImmediate(check), this.timeouts.ping);
  }

  /** Closes an idle session, and destroys it if the peer does not close it too. */
  #whenIdle(session: ServerHttp2Session): NodeJS.Timeout {
    return setTimeout(() => {
      session.close();
      setTimeout(() => session.destroy(), this.timeouts.first).unref();
    }, this.timeouts.idle);
  }
}
