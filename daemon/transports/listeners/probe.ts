// Probes the daemon's own listeners as a client would. This is the only way to notice a listener that accepts connections
// but does not answer.
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** A listener to probe. */
export interface Probed {
  /** Its name in messages, such as `the TLS port 127.0.0.1:7443`. */
  readonly name: string;
  readonly address: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly isTls: boolean;
}

/** Times in milliseconds. */
export interface ProbeTimes {
  /** After a successful probe. */
  readonly interval: number;
  /** After a failed probe. */
  readonly retry: number;
  /** For connection, handshake and the first byte of the answer. */
  readonly timeout: number;
}

export const probeTimes: ProbeTimes = { interval: 5_000, retry: 1_000, timeout: 5_000 };

/** Consecutive failures that are tolerated: the daemon itself may have been blocked during one. */
const failuresAllowed = 1;
const question = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

/**
 * Connects, does the TLS handshake if needed, and requests /healthz.
 * @param timeout in milliseconds
 * @param connected called with the connection as soon as it is open
 * @returns why there was no answer; undefined if there was one
 */
export function probe(
  { address, isTls }: Probed,
  timeout: number,
  connected: (socket: Socket) => void,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    // The probe only checks for an answer; clients verify the certificate.
    const options = { ...address, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] };
    const socket = isTls ? connectTls(options) : connect(address);
    const end = (reason: string | undefined) => {
      clearTimeout(late);
      socket.destroy();
      resolve(reason);
    };
    const late = setTimeout(() => end(`no answer within ${timeout / 1000} s`), timeout);
    socket.once('connect', () => connected(socket));
    socket.once(isTls ? 'secureConnect' : 'connect', () => socket.write(question));
    socket.once('data', () => end(undefined));
    socket.once('close', () => end('the connection was closed without an answer'));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'EMFILE' ? 'the limit of open files is reached' : error.message),
    );
  });
}

/** Probes one listener periodically. */
export class ListenerProbe {
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #reason: string | undefined;
  #stopped = false;

  constructor(
    private readonly probed: Probed,
    private readonly times: ProbeTimes,
    private readonly connected: (socket: Socket) => void,
  ) {
    this.#next(times.interval);
  }

  /** A description of what is wrong with the listener; undefined while it answers. */
  get problem(): string | undefined {
    return this.#failures > failuresAllowed
      ? `${this.probed.name} does not answer: ${this.#reason}`
      : undefined;
  }

  /** Stops probing. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #next(wait: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      probe(this.probed, this.times.timeout, this.connected)
        .catch((error: unknown) => String(error))
        .then((reason) => {
          this.#reason = reason;
          this.#failures = reason === undefined ? 0 : this.#failures + 1;
          this.#next(reason === undefined ? this.times.interval : this.times.retry);
        })
        .catch(() => undefined);
    }, wait).unref();
  }
}
