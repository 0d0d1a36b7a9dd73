// One connection to a receiver of a stream of records: TLS, TCP on this machine, or a unix socket.
import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { tlsSuites } from '../../tls/suites.js';
import type { SinkFiles } from './delivery.js';

/** The address of a receiver: a host with its port, or a unix socket. */
export interface ReceiverSettings extends SinkFiles {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** Path of a unix stream socket. */
  readonly socket?: string | undefined;
  /** Whether the connection to the host is TLS; default: yes. */
  readonly tls?: boolean | undefined;
  /** The name in the receiver's certificate; default: `host`. */
  readonly serverName?: string | undefined;
}

/** Milliseconds for the TCP and TLS handshakes. */
const connectTimeout = 10_000;
/** Milliseconds of silence after which the kernel probes the peer. */
const keepAlive = 30_000;
/** Time in milliseconds for a receiver to read the rest and close after the end of the stream. */
const closeTimeout = 600_000;

/** A connection to a receiver. */
export class StreamConnection {
  /** Rejects when the connection is over, unless {@link finish} ended it cleanly. */
  readonly failed: Promise<never>;
  #reject!: (error: Error) => void;
  #failure: Error | undefined;
  #finishing = false;

  /** @param isSilent the receiver ends its own direction at once, so its end says nothing */
  private constructor(
    private readonly socket: Socket,
    private readonly isSilent: boolean,
  ) {
    this.failed = new Promise((_resolve, reject) => (this.#reject = reject));
    this.failed.catch(() => undefined);
    socket.on('error', (error: Error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
    socket.on('end', () => {
      if (!this.#finishing && !isSilent) this.#fail(new Error('the receiver closed the connection'));
    });
    // There are no responses. Reading is necessary to see the end of the stream, or a TLS alert.
    socket.resume();
  }

  /**
   * Opens a connection. TLS is 1.2 or newer, and the receiver's certificate must be valid for its name.
   * @param isSilent the receiver ends its own direction at once
   * @throws Error of node:net or node:tls
   */
  static async open(
    settings: ReceiverSettings,
    signal: AbortSignal,
    isSilent = false,
  ): Promise<StreamConnection> {
    const [socket, connected] = socketOf(settings, isSilent);
    const connection = new StreamConnection(socket, isSilent);
    const limit = setTimeout(
      () => socket.destroy(new Error(`no connection within ${connectTimeout / 1000} s`)),
      connectTimeout,
    );
    const abort = () => socket.destroy();
    signal.addEventListener('abort', abort);
    socket.once('close', () => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
    try {
      await Promise.race([once(socket, connected), connection.failed]);
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
   * connection, so a clean end proves that it has read everything. Of a silent receiver only the kernel's acceptance is known.
   * @throws Error without a clean end
   */
  async finish(): Promise<void> {
    this.#finishing = true;
    const limit = setTimeout(
      () => this.socket.destroy(new Error(`the receiver did not close within ${closeTimeout / 1000} s`)),
      closeTimeout,
    );
    try {
      const ended = once(this.socket, this.isSilent ? 'finish' : 'end');
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

/** @returns the socket, and the event that says that it is connected */
function socketOf(settings: ReceiverSettings, isSilent: boolean): [Socket, 'connect' | 'secureConnect'] {
  const { host, port = 0, socket: path, tls = true, serverName, ca, certificate, key } = settings;
  if (path !== undefined) return [connectPlain({ path, allowHalfOpen: isSilent }), 'connect'];
  if (!tls) return [connectPlain({ host, port }), 'connect'];
  const identity = { ca, cert: certificate, key, minVersion: 'TLSv1.2' as const, ciphers: tlsSuites };
  const name = serverName === undefined ? {} : { servername: serverName };
  return [connectTls({ host, port, ...name, ...identity, rejectUnauthorized: true }), 'secureConnect'];
}
