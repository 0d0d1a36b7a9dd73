// One connection of syslog over TLS (RFC 5425) to a receiver.
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { tlsSuites } from '../../tls/suites.js';

/** The address of a receiver, and the certificates of both sides. */
export interface ReceiverSettings {
  readonly host: string;
  readonly port: number;
  /** The name in the receiver's certificate; default: `host`. */
  readonly serverName?: string | undefined;
  /** PEM of the CAs that the receiver's certificate must be issued by; default: Node's own list. */
  readonly ca?: Buffer | undefined;
  /** PEM of the client certificate and its key. */
  readonly certificate?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

/** Milliseconds for the TCP and TLS handshakes. */
const connectTimeout = 10_000;
/** Milliseconds of silence after which the kernel probes the peer. */
const keepAlive = 30_000;
/** Time in milliseconds for a receiver to read the rest and close after the end of the stream. */
const closeTimeout = 600_000;

/** A connection to a receiver. */
export class SyslogConnection {
  /** Rejects when the connection is over, unless {@link finish} ended it cleanly. */
  readonly failed: Promise<never>;
  #reject!: (error: Error) => void;
  #failure: Error | undefined;
  #finishing = false;

  private constructor(private readonly socket: TLSSocket) {
    this.failed = new Promise((_resolve, reject) => (this.#reject = reject));
    this.failed.catch(() => undefined);
    socket.on('error', (error: Error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
    socket.on('end', () => {
      if (!this.#finishing) this.#fail(new Error('the receiver closed the connection'));
    });
    // Syslog has no responses. Reading is necessary to see the end of the stream, or a TLS alert.
    socket.resume();
  }

  /**
   * Opens a connection with TLS 1.2 or newer. The receiver's certificate must be valid for its name.
   * @throws Error of node:net or node:tls
   */
  static async open(settings: ReceiverSettings, signal: AbortSignal): Promise<SyslogConnection> {
    const { host, port, serverName, ca, certificate, key } = settings;
    const identity = { ca, cert: certificate, key, minVersion: 'TLSv1.2' as const, ciphers: tlsSuites };
    const name = serverName === undefined ? {} : { servername: serverName };
    const socket = connect({ host, port, ...name, ...identity, rejectUnauthorized: true });
    const connection = new SyslogConnection(socket);
    const limit = setTimeout(
      () => socket.destroy(new Error(`no connection within ${connectTimeout / 1000} s`)),
      connectTimeout,
    );
    const abort = () => socket.destroy();
    signal.addEventListener('abort', abort);
    socket.once('close', () => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
    try {
      await Promise.race([once(socket, 'secureConnect'), connection.failed]);
      socket.setKeepAlive(true, keepAlive).setNoDelay(true);
      return connection;
    } finally {
      clearTimeout(limit);
    }
  }

  /** Checks that the connection is open. @throws Error if it is over */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Writes, and resolves when there is room for more. @throws Error if the connection is over */
  async write(bytes: Buffer): Promise<void> {
    const drained = this.socket.write(bytes) || once(this.socket, 'drain');
    await Promise.race([drained, this.failed]);
  }

  /**
   * Ends the stream and waits until the receiver closes. A receiver that closes before it has read everything resets the
   * connection, so a clean end proves that it has read everything.
   * @throws Error without a clean end
   */
  async finish(): Promise<void> {
    this.#finishing = true;
    const limit = setTimeout(
      () => this.socket.destroy(new Error(`the receiver did not close within ${closeTimeout / 1000} s`)),
      closeTimeout,
    );
    try {
      const ended = once(this.socket, 'end');
      this.socket.end();
      await Promise.race([ended, this.failed]);
      if (!this.socket.writableFinished)
        throw new Error('the receiver closed the connection before everything was sent');
    } finally {
      clearTimeout(limit);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#reject(error);
  }

  /** Closes the connection at once. */
  destroy(): void {
    this.socket.destroy();
  }
}
