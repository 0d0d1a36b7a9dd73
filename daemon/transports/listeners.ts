// The unix socket and the TLS port. Both serve the native protocol and /healthz.
import { chmodSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import type { NativeServer } from './native/server.js';

/** Bounds on what a client may do before it is authenticated, in milliseconds and bytes. */
const httpOptions = {
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 16_384,
};

/** sizeof(sun_path) less its terminating zero, unix(7). */
const maxSocketPath = 107;

/** An address that cannot be opened; the message says which, and what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
}

export class Listeners {
  readonly #unix: Server;
  readonly #tls: TlsServer;

  constructor(
    private readonly native: NativeServer,
    onRequest: RequestListener,
    private readonly tlsFiles: TlsFiles,
  ) {
    this.#unix = createServer(httpOptions, onRequest);
    this.#tls = createTlsServer({ ...httpOptions, ...this.#readTls(), minVersion: 'TLSv1.2' }, onRequest);
    for (const server of [this.#unix, this.#tls]) {
      server.on('upgrade', (request, socket, head) => this.native.upgrade(request, socket as Socket, head));
      // A client that resets its connection is no fault of the daemon.
      server.on('clientError', (_error, socket) => socket.destroy());
    }
  }

  /**
   * Opens the unix socket (mode 0660) and the TLS port.
   * @param path of the socket; a stale one is replaced
   * @param port 0 for any free one
   * @returns the TLS port
   * @throws ListenError where one cannot be opened
   */
  async listen(path: string, host: string, port: number): Promise<number> {
    if (Buffer.byteLength(path) > maxSocketPath) {
      throw new Error(
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
    return (this.#tls.address() as AddressInfo).port;
  }

  /** Reads the certificate anew; new connections get it. @throws Error where the files are unusable */
  reloadCertificate(): void {
    this.#tls.setSecureContext({ ...this.#readTls(), minVersion: 'TLSv1.2' });
  }

  /** Takes no new connections, and ends those that are idle in HTTP. */
  close(): void {
    for (const server of [this.#unix, this.#tls]) {
      server.close();
      server.closeIdleConnections();
    }
  }

  #readTls(): { cert: Buffer; key: Buffer } {
    return { cert: readFileSync(this.tlsFiles.certificate), key: readFileSync(this.tlsFiles.key) };
  }
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

function started(server: Server | TlsServer, listen: () => void, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const advice =
        error.code === 'EADDRINUSE' ? ': it is in use; set KEYHOLD_PORT to another one, 0 for any' : '';
      reject(
        new Error(`Cannot listen on ${where} (${error.code ?? error.message})${advice}.`, { cause: error }),
      );
    });
    server.once('listening', resolve);
    listen();
  });
}
