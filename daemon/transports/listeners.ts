// The unix socket, the TLS port and, where it is configured, a port without TLS on the loopback. All serve the AWS
// endpoint and /healthz; the native protocol is served on the first two.
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { tlsSuites } from '../tls/suites.js';
import { toPem } from '../identity/certificates/pem.js';
import type { Logger } from '../observability/log.js';
import type { Gate } from './gate.js';
import { takeCertificate } from './certified.js';
import { alpnProtocols, type Http2Sessions, serveHttp2 } from './http/http2.js';
import { answerMalformed } from './http/malformed.js';
import { headersTimeout, httpOptions, idleTimeout } from './http/options.js';
import type { NativeServer } from './native/server.js';
import { ListenerProbe, type Probed, probeTimes } from './probe.js';
import { clearSocketPath, type FileId, isStillThere, ListenError, makeSocket } from './unix-socket.js';

/** Between two looks at the unix socket's path, in milliseconds. */
const pathInterval = 2_000;
/** Between two lines of the log about connections that could not be accepted, in milliseconds. */
const reportInterval = 10_000;

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
  #probes: ListenerProbe[] = [];
  #path: { readonly path: string; made: FileId; problem?: string } | undefined;
  #watch: NodeJS.Timeout | undefined;
  #isMaking = false;
  #reported = 0;

  constructor(
    private readonly native: NativeServer,
    onRequest: RequestListener,
    tls: TlsMaterial,
    private readonly gate: Gate,
    private readonly log: Logger,
  ) {
    this.#unix = createServer(httpOptions, onRequest);
    this.#http = createServer(httpOptions, onRequest);
    // A certificate that does not verify ends the connection, but only below, since none at all is no fault.
    const clients = { requestCert: tls.clientTrust !== undefined, rejectUnauthorized: false };
    const own = { handshakeTimeout: headersTimeout, ALPNProtocols: alpnProtocols };
    this.#tls = createTlsServer({ ...httpOptions, ...clients, ...own, ...contextOf(tls) }, onRequest);
    this.#http2 = serveHttp2(this.#tls, onRequest, undefined, gate);
    // Before HTTP hears of the connection: what such a client sent along is not even read.
    this.#tls.prependListener('secureConnection', (socket) => {
      const fault = takeCertificate(socket, gate.connectionOf(socket)?.since);
      if (fault === undefined) return;
      this.native.noteUnverified(socket, fault);
      socket.destroy();
    });
    // node:https would answer in HTTP, on a connection that never became secure: the answer never leaves, and the
    // connection never ends.
    this.#tls.removeAllListeners('tlsClientError');
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy());
    const kinds = ['unix', 'tls', 'http'] as const;
    for (const [index, server] of this.#servers.entries()) {
      server.prependListener('connection', (socket: Socket) => gate.accept(socket, kinds[index]!));
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
    await clearSocketPath(path);
    const made = await makeSocket(path, () => started(this.#unix, () => this.#unix.listen(path), path));
    this.#path = { path, made };
    await started(this.#tls, () => this.#tls.listen(port, host), `${host}:${port}`);
    if (http)
      await started(this.#http, () => this.#http.listen(http.port, http.host), `${http.host}:${http.port}`);
    for (const server of this.#servers) server.on('error', (error) => this.#notAccepted(error));
    this.#watch = setInterval(() => {
      this.#checkPath().catch((error: unknown) =>
        this.log.error({ err: error }, 'the unix socket could not be checked'),
      );
    }, pathInterval).unref();
    const probed: Probed[] = [
      { name: `the unix socket ${path}`, address: { path }, isTls: false },
      { name: `the TLS port ${portOf(this.#tls)}`, address: localAddressOf(this.#tls), isTls: true },
    ];
    if (http)
      probed.push({
        name: `the HTTP port ${portOf(this.#http)}`,
        address: localAddressOf(this.#http),
        isTls: false,
      });
    this.#probes = probed.map(
      (each) => new ListenerProbe(each, probeTimes, (socket) => this.gate.spare(socket)),
    );
    return { port: portOf(this.#tls), httpPort: http && portOf(this.#http) };
  }

  /** What is wrong with the listeners, in words; none: clients are answered on all of them. */
  get problems(): readonly string[] {
    const all = [this.#path?.problem, ...this.#probes.map(({ problem }) => problem)];
    return all.filter((problem) => problem !== undefined);
  }

  /** Takes other certificates; new connections get them. @throws Error where they are unusable */
  reload(tls: TlsMaterial): void {
    this.#tls.setSecureContext(contextOf(tls));
  }

  /** Takes no new connections, ends those that are idle in HTTP, and removes the unix socket, which libuv does. */
  close(): void {
    clearInterval(this.#watch);
    for (const probe of this.#probes) probe.stop();
    for (const server of this.#servers) {
      server.close();
      server.closeIdleConnections();
    }
    this.#http2.close();
  }

  get #servers(): readonly (Server | TlsServer)[] {
    return [this.#unix, this.#tls, this.#http];
  }

  /** Makes the unix socket again where somebody has removed it; connections that are open stay. */
  async #checkPath(): Promise<void> {
    const socket = this.#path;
    if (!socket || this.#isMaking || isStillThere(socket.path, socket.made)) return;
    const { path } = socket;
    this.#isMaking = true;
    try {
      await clearSocketPath(path);
      this.#unix.close();
      socket.made = await makeSocket(path, () => started(this.#unix, () => this.#unix.listen(path), path));
      delete socket.problem;
      this.log.warn({ path }, 'the unix socket had been removed and was made again');
    } catch (error) {
      const { message } = error as Error;
      if (socket.problem === undefined) this.log.error({ err: error }, 'the unix socket is gone');
      socket.problem = `the unix socket is gone: ${message}`;
    } finally {
      this.#isMaking = false;
    }
  }

  /** A connection could not be accepted, which ends neither the listener nor the daemon. */
  #notAccepted(error: NodeJS.ErrnoException): void {
    const now = Date.now();
    if (now - this.#reported < reportInterval) return;
    this.#reported = now;
    const { code = error.message } = error;
    this.log.error({ code }, `a connection could not be accepted${advice[code] ?? ''}`);
  }
}

function portOf(server: Server | TlsServer): number {
  return (server.address() as AddressInfo).port;
}

/** Where this machine reaches a listener. */
function localAddressOf(server: Server | TlsServer): { host: string; port: number } {
  const { address, port } = server.address() as AddressInfo;
  const loopback: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  return { host: loopback[address] ?? address, port };
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

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: ': it is in use; set KEYHOLD_PORT to another one, 0 for any',
  EACCES: ': permission denied; ports below 1024 need the capability CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: ': this machine does not have the address; set listen.host to one that it has',
  EMFILE: ': the limit of open files is reached; raise it (ulimit -n, LimitNOFILE= of systemd)',
  ENFILE: ': the limit of open files of the whole machine is reached; raise it (sysctl fs.file-max)',
  EROFS: ': its file system is read-only; mount it for writing, or set listen.socket to a path elsewhere',
};

function started(server: Server | TlsServer, listen: () => void, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException) => {
      server.off('listening', listening);
      const { code = error.message } = error;
      reject(new ListenError(`Cannot listen on ${where} (${code})${advice[code] ?? ''}.`, { cause: error }));
    };
    const listening = () => {
      server.off('error', refused);
      resolve();
    };
    server.once('error', refused);
    server.once('listening', listening);
    listen();
  });
}
