// A TCP listener, shared by the ports with and without TLS.
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { guard, type Listener, type ListenerDeps, portOf, started } from '../listener.js';
import { ListenerProbe, probeTimes } from './probe.js';

/** A TCP address to listen on. */
export interface TcpAddress {
  /** Host name or IP address of this machine. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

/** Runs a server on a TCP port. */
export class TcpListener implements Listener {
  #probe: ListenerProbe | undefined;

  constructor(
    private readonly server: Server | TlsServer,
    readonly kind: 'tls' | 'http',
    private readonly address: TcpAddress,
    private readonly deps: ListenerDeps,
  ) {
    guard(server, kind, deps);
  }

  /** The port that was opened. */
  get port(): number {
    return portOf(this.server);
  }

  async open(): Promise<void> {
    const { server, deps } = this;
    const { host, port } = this.address;
    const setting = this.kind === 'tls' ? 'KEYHOLD_PORT' : 'listen.http.port';
    await started(server, () => server.listen(port, host), `${host}:${port}`, setting);
    server.on('error', deps.notAccepted);
    const isTls = this.kind === 'tls';
    const name = `the ${isTls ? 'TLS' : 'HTTP'} port ${this.port}`;
    const probed = { name, address: localAddressOf(server), isTls };
    this.#probe = new ListenerProbe(probed, probeTimes, (socket) => deps.gate.spare(socket));
  }

  get problem(): string | undefined {
    return this.#probe?.problem;
  }

  close(): void {
    this.#probe?.stop();
    this.server.close();
    this.server.closeIdleConnections();
  }
}

/** Returns the address at which this machine reaches a listener: the loopback address for a wildcard one. */
export function localAddressOf(server: Server | TlsServer): TcpAddress {
  const { address, port } = server.address() as AddressInfo;
  const loopback: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  return { host: loopback[address] ?? address, port };
}
