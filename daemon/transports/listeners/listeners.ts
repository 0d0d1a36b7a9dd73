// All addresses on which clients are served: the unix socket, the TLS port and, if configured, a port without TLS on the
// loopback interface. All serve the AWS endpoint and /healthz; the first two also serve the native protocol.
import { createServer } from 'node:http';
import { httpOptions } from '../http/options.js';
import { acceptErrorLog, type Listener, type ListenerDeps } from '../listener.js';
import { type TcpAddress, TcpListener } from './tcp-listener.js';
import { TlsListener, type TlsMaterial } from './tls-listener.js';
import { UnixListener } from './unix-listener.js';
import type { SocketPlace } from './unix-socket.js';

/** The addresses to listen on. */
export interface Addresses {
  /** The unix socket. */
  readonly socket: SocketPlace;
  readonly tls: TcpAddress;
  /** The port without TLS. */
  readonly http: TcpAddress | undefined;
}

/** The ports that were opened. */
export interface Ports {
  readonly port: number;
  readonly httpPort: number | undefined;
}

/** The daemon's listeners. */
export class Listeners {
  readonly #tls: TlsListener;
  readonly #http: TcpListener | undefined;
  readonly #all: readonly Listener[];

  constructor(addresses: Addresses, tls: TlsMaterial, parts: Omit<ListenerDeps, 'notAccepted'>) {
    const deps = { ...parts, notAccepted: acceptErrorLog(parts.log) };
    const { socket, http } = addresses;
    this.#tls = new TlsListener(tls, addresses.tls, deps);
    this.#http = http && new TcpListener(createServer(httpOptions, deps.onRequest), 'http', http, deps);
    this.#all = [new UnixListener(socket, deps), this.#tls, ...(this.#http ? [this.#http] : [])];
  }

  /** Opens all addresses, one after another. @throws ListenError if one cannot be opened */
  async open(): Promise<Ports> {
    for (const listener of this.#all) await listener.open();
    return { port: this.#tls.port, httpPort: this.#http?.port };
  }

  /** The kind of each listener, and what is wrong with it. */
  get states(): readonly Pick<Listener, 'kind' | 'problem'>[] {
    return this.#all;
  }

  /** Descriptions of what is wrong with the listeners; empty while all of them answer. */
  get problems(): readonly string[] {
    return this.#all.map(({ problem }) => problem).filter((problem) => problem !== undefined);
  }

  /** Replaces the certificates for new connections. @throws Error if they are unusable */
  reload(tls: TlsMaterial): void {
    this.#tls.reload(tls);
  }

  /** Accepts no more connections, ends idle ones, and removes the unix socket. */
  close(): void {
    for (const listener of this.#all) listener.close();
  }
}
