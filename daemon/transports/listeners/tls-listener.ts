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

/** The certificate of the port, and the trust for client certificates. */
export interface TlsMaterial {
  /** PEM, as is the private key. */
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
    // A certificate that does not verify ends the connection below; a connection without a certificate is allowed.
    const clients = { requestCert: tls.clientTrust !== undefined, rejectUnauthorized: false };
    const own = { handshakeTimeout: headersTimeout, ALPNProtocols: alpnProtocols };
    this.#server = createServer({ ...httpOptions, ...clients, ...own, ...contextOf(tls) }, onRequest);
    this.#http2 = serveHttp2(this.#server, onRequest, undefined, gate);
    // Runs before the HTTP handlers, so that nothing such a client sent is read.
    this.#server.prependListener('secureConnection', (socket) => {
      const fault = takeCertificate(socket, gate.connectionOf(socket)?.since);
      if (fault === undefined) return;
      native.noteUnverified(socket, fault);
      socket.destroy();
    });
    // node:https would answer with HTTP on a connection whose handshake failed: the answer is never sent, and the connection
    // never ends.
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

  /** Replaces the certificates for new connections. @throws Error if they are unusable */
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
    // If there is one CRL, OpenSSL needs a current one of every CA: it refuses certificates that it cannot check.
    crl: revocationLists.map((der) => toPem(der, 'X509 CRL')),
    // A resumed session would keep the certificate verdict of its first handshake.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
