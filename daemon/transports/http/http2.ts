// HTTP/2 beside HTTP/1.1 on one TLS port, by ALPN. The `allowHTTP1` of node:http2 would serve HTTP/1.1 without the
// time-outs that node:https has for headers and requests (nodejs/node#59783).
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { RequestListener } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { headersTimeout, keepAliveTimeout, maxHeaderSize, requestTimeout } from './options.js';

/** Protocols that the TLS port offers, the best first. */
export const alpnProtocols = ['h2', 'http/1.1'];

/** Streams of one connection at once. */
const maxConcurrentStreams = 100;

/** Hands the connections that have agreed on HTTP/2 to a server of their own. @returns it */
export function serveHttp2(tls: TlsServer, onRequest: RequestListener): Http2Sessions {
  const http2 = createServer(
    { settings: { maxConcurrentStreams, maxHeaderListSize: maxHeaderSize, enableConnectProtocol: false } },
    // The compatibility layer gives requests and responses the interface of node:http.
    onRequest as never,
  );
  const [serveHttp1] = tls.listeners('secureConnection') as ((this: TlsServer, socket: TLSSocket) => void)[];
  tls.removeListener('secureConnection', serveHttp1!);
  tls.on('secureConnection', (socket) => {
    if (socket.alpnProtocol === 'h2') http2.emit('connection', socket);
    else serveHttp1!.call(tls, socket);
  });
  return new Http2Sessions(http2);
}

/** The time-outs that node:http2 lacks: bytes that trickle in keep none of them from passing. */
export class Http2Sessions {
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(server: Http2Server) {
    server.on('session', (session) => this.#watch(session));
    // A peer that breaks the protocol or resets its connection is no fault of the daemon.
    server.on('sessionError', (_error, session) => session.destroy());
  }

  /** Finishes what is in flight and takes nothing new. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }

  #watch(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    let open = 0;
    let idle = setTimeout(() => session.destroy(), headersTimeout);
    session.on('stream', (stream: ServerHttp2Stream) => {
      open += 1;
      clearTimeout(idle);
      const late = setTimeout(() => stream.close(), requestTimeout);
      stream.once('end', () => clearTimeout(late));
      stream.once('close', () => {
        clearTimeout(late);
        open -= 1;
        if (open === 0) idle = setTimeout(() => session.close(), keepAliveTimeout);
      });
    });
    session.once('close', () => {
      clearTimeout(idle);
      this.#sessions.delete(session);
    });
  }
}
