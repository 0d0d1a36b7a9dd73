// The port with TLS: HTTP/1.1, HTTP/2 and the native protocol, with client certificates where authorities are configured.
import { constants } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { toPem } from '../../identity/certificates/pem.js';
import { tlsSuites } from '../../tls/suites.js';
import { takeCertificate } from '../certified.js';
import { alpnProtocols, type Http2Sessions, serveHttp2 } from '../http/http2.js';
import { headersTimeout, httpOptions } from '../http/options.js';
import { type Listener, type ListenerDeps, serveNative } from '../listener.js';
import { type TcpAddress, TcpListener } from './tcp-listener.js';

/** What the port shows clients, and what it verifies theirs by. */
export interface TlsMaterial {
  /** PEM. */
  readonly certificate: Buffer;
  readonly key: Buffer;
  /** DER; undefined: clients are not asked for certificates. */
  readonly clientTrust:
    { readonly authorities: readonly Buffer[]; readonly revocationLists: readonly Buffer[] } | undefined;
}

/** Serves all protocols over TLS. */
export class TlsListener implements Listener {
  readonly kind = 'tls';
  readonly #server: Server;
  readonly #tcp: TcpListener;
  readonly #http2: Http2Sessions;

  constructor(tls: TlsMaterial, address: TcpAddress, deps: ListenerDeps) {
    const { native, onRequest, gate } = deps;
    // A certificate that does not verify ends the connection, but only below, since none at all is no fault.
    const clients = { requestCert: tls.clientTrust !== undefined, rejectUnauthorized: false };
    const own = { handshakeTimeout: headersTimeout, ALPNProtocols: alpnProtocols };
    this.#server = createServer({ ...httpOptions, ...clients, ...own, ...contextOf(tls) }, onRequest);
    this.#http2 = serveHttp2(this.#server, onRequest, undefined, gate);
    // Before HTTP hears of the connection: what such a client sent along is not even read.
    this.#server.prependListener('secureConnection', (socket) => {
      const fault = takeCertificate(socket, gate.connectionOf(socket)?.since);
      if (fault === undefined) return;
      native.noteUnverified(socket, fault);
      socket.destroy();
    });
    // node:https would answer in HTTP, on a connection that never became secure: the answer never leaves, and the
    // connection never ends.
    this.#server.removeAllListeners('tlsClientError');
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy());
    serveNative(this.#server, deps);
    this.#tcp = new TcpListener(this.#server, 'tls', address, deps);
  }

  /** The port that was opened. */
  get port(): number {
    return this.#tcp.port;
  }

  open(): Promise<void> {
    return this.#tcp.open();
  }

  get problem(): string | undefined {
    return this.#tcp.problem;
  }

  close(): void {
    this.#tcp.close();
    this.#http2.close();
  }

  /** Takes other certificates; new connections get them. @throws Error where they are unusable */
  reload(tls: TlsMaterial): void {
    this.#server.setSecureContext(contextOf(tls));
  }
}

function contextOf({ certificate, key, clientTrust }: TlsMaterial): SecureContextOptions {
  const context = { cert: certificate, key, minVersion: 'TLSv1.2' as const, ciphers: tlsSuites };
  if (!clientTrust) return context;
  const { authorities, revocationLists } = clientTrust;
  return {
    ...context,
    ca: authorities.map((der) => toPem(der, 'CERTIFICATE')),
    // With a list there must be one of each CA, and none that has expired: OpenSSL then refuses what it cannot check.
    crl: revocationLists.map((der) => toPem(der, 'X509 CRL')),
    // A resumed session would bring the verdict on its certificate of the time when it began.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
