// The unix socket, the TLS port and, where it is configured, a port without TLS on the loopback. All serve the AWS
// endpoint and /healthz; the native protocol is served on the first two.
import { chmodSync, rmSync, statSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { constants } from 'node:crypto';
import { connect } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { toPem } from '../identity/pem.js';
import { alpnProtocols, type Http2Sessions, serveHttp2 } from './http/http2.js';
import { answerMalformed } from './http/malformed.js';
import { headersTimeout, httpOptions, idleTimeout } from './http/options.js';
import type { NativeServer } from './native/server.js';

/** sizeof(sun_path) less its terminating zero, unix(7). */
const maxSocketPath = 107;

/** An address that cannot be opened; the message says which, and what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

export interface TlsMaterial {
  /** PEM. */
  readonly certificate: Buffer;
  readonly key: Buffer;
  /** DER; undefined: clients are not asked for certificates. */
  readonly clientTrust:
    { readonly authorities: readonly Buffer[]; readonly revocationLists: readonly Buffer[] } | undefined;
}

/** Where to listen. */
export interface Addresses {
  /** Path of the unix socket; a stale one is replaced. */
  readonly socket: string;
  readonly host: string;
  /** Of TLS; 0 for any free one. */
  readonly port: number;
  /** Without TLS. */
  readonly http?: { readonly host: string; readonly port: number } | undefined;
}

/** The ports that were opened. */
export interface Ports {
  readonly port: number;
  readonly httpPort: number | undefined;
}

export class Listeners {
  readonly #unix: Server;
  readonly #tls: TlsServer;
  readonly #http: Server;
  readonly #http2: Http2Sessions;

  /** @param maxConnections on each address */
  constructor(
    private readonly native: NativeServer,
    onRequest: RequestListener,
    tls: TlsMaterial,
    maxConnections: number,
  ) {
    this.#unix = createServer(httpOptions, onRequest);
    this.#http = createServer(httpOptions, onRequest);
    // A certificate that does not verify ends the connection, but only below, since none at all is no fault.
    const clients = { requestCert: tls.clientTrust !== undefined, rejectUnauthorized: false };
    const own = { handshakeTimeout: headersTimeout, ALPNProtocols: alpnProtocols };
    this.#tls = createTlsServer({ ...httpOptions, ...clients, ...own, ...contextOf(tls) }, onRequest);
    this.#http2 = serveHttp2(this.#tls, onRequest);
    // Before HTTP hears of the connection: what such a client sent along is not even read.
    this.#tls.prependListener('secureConnection', (socket) => {
      if (socket.authorized || Object.keys(socket.getPeerCertificate()).length === 0) return;
      this.native.noteUnverified(socket);
      socket.destroy();
    });
    for (const server of this.#servers) {
      server.maxConnections = maxConnections;
      server.setTimeout(idleTimeout);
      server.on('clientError', answerMalformed);
    }
    for (const server of [this.#unix, this.#tls])
      server.on('upgrade', (request, socket, head) => this.native.upgrade(request, socket as Socket, head));
  }

  /**
   * Opens the unix socket (mode 0660) and the ports.
   * @throws ListenError where one cannot be opened
   */
  async listen({ socket: path, host, port, http }: Addresses): Promise<Ports> {
    if (Buffer.byteLength(path) > maxSocketPath) {
      throw new ListenError(
        `The socket's path has more than ${maxSocketPath} bytes: ${path}. Set a shorter KEYHOLD_HOME.`,
      );
    }
    await removeStaleSocket(path);
    // The socket must never be open to others, not even for an instant between bind and chmod.
    const mask = process.umask(0o117);
    try {
      await started(this.#unix, () => this.#unix.listen(path), path);
    } finally {
      process.umask(mask);
    }
    chmodSync(path, 0o660);
    await started(this.#tls, () => this.#tls.listen(port, host), `${host}:${port}`);
    if (http)
      await started(this.#http, () => this.#http.listen(http.port, http.host), `${http.host}:${http.port}`);
    return { port: portOf(this.#tls), httpPort: http && portOf(this.#http) };
  }

  /** Takes other certificates; new connections get them. @throws Error where they are unusable */
  reload(tls: TlsMaterial): void {
    this.#tls.setSecureContext(contextOf(tls));
  }

  /** Takes no new connections, and ends those that are idle in HTTP. */
  close(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeIdleConnections();
    }
    this.#http2.close();
  }

  get #servers(): readonly (Server | TlsServer)[] {
    return [this.#unix, this.#tls, this.#http];
  }
}

function portOf(server: Server | TlsServer): number {
  return (server.address() as AddressInfo).port;
}

function contextOf({ certificate, key, clientTrust }: TlsMaterial): SecureContextOptions {
  const context = { cert: certificate, key, minVersion: 'TLSv1.2' as const };
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

/** A socket file that nobody listens on is left by a daemon that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  if (!statSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  const inUse = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
  if (inUse)
    throw new ListenError(`Another daemon answers on ${path}: stop it first, or set another KEYHOLD_HOME.`);
  rmSync(path);
}

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: ': it is in use; set KEYHOLD_PORT to another one, 0 for any',
  EROFS: ': its file system is read-only; mount it for writing, or set listen.socket to a path elsewhere',
};

function started(server: Server | TlsServer, listen: () => void, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const { code = error.message } = error;
      reject(new ListenError(`Cannot listen on ${where} (${code})${advice[code] ?? ''}.`, { cause: error }));
    });
    server.once('listening', resolve);
    listen();
  });
}
