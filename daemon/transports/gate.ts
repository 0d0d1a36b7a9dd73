// Limits connections from the moment they are accepted. Before authentication they may be ended at any time to make room
// for new ones. After it they count towards the limits of their principal and source, and are kept.
import type { Socket } from 'node:net';
import { exceptions } from '../../proto/errors.js';
import type { Config } from '../config/schema.js';
import type { Caller } from '../identity/caller.js';
import {
  type Exceeded,
  fitting,
  type Holder,
  type Share,
  type ShareLimits,
  shareNameOf,
  Shares,
} from '../identity/shares.js';
import { sourceOf } from '../identity/source.js';
import type { Logger } from '../observability/log.js';
import { Tally } from '../observability/metrics/distribution.js';
import type { Lease, RequestMemory } from './request-memory.js';

/** Minimum time between two log lines about ended connections, in milliseconds. */
const reportInterval = 60_000;

/** What a connection is used for once it is authenticated. */
export type ConnectionKind = 'native' | 'http';

/** The kind of a listener. `http` is without TLS. */
export type ListenerKind = 'unix' | 'tls' | 'http';

/** Maximum numbers of open connections. */
export interface GateLimits {
  /** All connections that are not authenticated. */
  readonly unauthenticated: number;
  readonly unauthenticatedPerSource: number;
  /** Authenticated connections. */
  readonly connections: Readonly<Record<ConnectionKind, ShareLimits>>;
}

const settings: Readonly<Record<ConnectionKind, string>> = {
  native: 'limits.connections',
  http: 'limits.httpConnections',
};

/** An accepted connection that has not closed yet. */
export class GatedConnection {
  /** IP address of the peer; undefined on the unix socket. */
  readonly address: string | undefined;
  readonly source: string;
  readonly isTls: boolean;
  /** When it was accepted, in milliseconds of the monotonic clock. */
  readonly since = performance.now();
  readonly #leases = new Set<Lease>();
  #memory: Share | undefined;
  #holder: Holder | undefined;
  #kind: ConnectionKind | undefined;
  #share: Share | undefined;

  /** @param listener the kind of the listener that accepted it */
  constructor(
    private readonly gate: Gate,
    readonly socket: Socket,
    listener: ListenerKind,
  ) {
    this.isTls = listener === 'tls';
    this.address = socket.remoteAddress;
    this.source = sourceOf(this.address);
  }

  /**
   * Counts the connection among the authenticated ones.
   * @returns the share in which the bytes of its requests are counted
   * @throws ThrottlingException if the principal, the source or all together have too many
   */
  admit(kind: ConnectionKind, caller: Caller): Share {
    // The connection counts for the principal that authenticated first, and anew when it changes to the native protocol.
    if (this.#kind === kind && this.#memory) return this.#memory;
    const principal = shareNameOf(caller);
    const holder = { principal, source: this.source };
    const share = this.gate.open(kind, holder);
    this.#share?.close();
    this.#share = share;
    this.#kind = kind;
    this.#holder ??= holder;
    this.#memory ??= this.gate.memory.open(this.#holder);
    this.gate.settle(this);
    return this.#memory;
  }

  /** The principal and source that the connection counts for; undefined until it is authenticated. */
  get holder(): Holder | undefined {
    return this.#holder;
  }

  /** The share in which the bytes of its requests are counted; undefined until the connection is authenticated. */
  get memory(): Share | undefined {
    return this.#memory;
  }

  /** Registers the lease of a request, which is given back when the answer is sent or the connection closes. */
  lease(lease: Lease): Lease {
    this.#leases.add(lease);
    return lease;
  }

  /** Gives back the lease of a request whose answer was sent. */
  left(lease: Lease): void {
    if (this.#leases.delete(lease)) lease.left();
  }

  /** Gives everything back. Called when the socket has closed. */
  release(): void {
    for (const lease of this.#leases) this.left(lease);
    this.#share?.close();
    // Requests may still be running.
    this.#memory?.retire();
    this.gate.settle(this);
  }
}

/** Accepts and limits connections. */
export class Gate {
  /** All open connections: TCP by both addresses and ports, the unix socket by the socket object. */
  readonly #open = new Map<unknown, GatedConnection>();
  /** Connections that are not authenticated, by source, the oldest first. */
  readonly #waiting = new Map<string, Set<GatedConnection>>();
  readonly #shares: Readonly<Record<ConnectionKind, Shares>>;
  /** The daemon's own connections, by both addresses and ports. They are never ended to make room. */
  readonly #own = new Set<string>();
  /** Connections that were accepted, by listener. */
  readonly accepted = new Tally<ListenerKind>(['unix', 'tls', 'http']);
  /** Connections that were ended to make room for others. */
  displaced = 0;
  #unauthenticated = 0;
  #ended = 0;
  #report: NodeJS.Timeout | undefined;

  constructor(
    private readonly limits: GateLimits,
    readonly memory: RequestMemory,
    private readonly log: Logger,
  ) {
    const { native, http } = limits.connections;
    this.#shares = { native: new Shares(native), http: new Shares(http) };
  }

  /** How many open connections are not authenticated. */
  get unauthenticated(): number {
    return this.#unauthenticated;
  }

  /** How many open connections are authenticated. */
  authenticated(kind: ConnectionKind): number {
    return this.#shares[kind].held;
  }

  /**
   * Registers a new connection. If too many are not authenticated, an older one is ended.
   */
  accept(socket: Socket, listener: ListenerKind): void {
    // The peer is gone already. Without an address it would be mistaken for a client of the unix socket.
    if (listener !== 'unix' && socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    const connection = new GatedConnection(this, socket, listener);
    const { source } = connection;
    const key = keyOf(socket);
    this.#open.set(key, connection);
    socket.once('close', () => {
      if (this.#open.get(key) === connection) this.#open.delete(key);
      connection.release();
    });
    if (typeof key === 'string' && this.#own.has(key)) return;
    this.accepted.add(listener);
    this.#makeRoom(source);
    const waiting = this.#waiting.get(source);
    if (waiting) waiting.add(connection);
    else this.#waiting.set(source, new Set([connection]));
    this.#unauthenticated += 1;
  }

  /** Finds a connection. @param socket the accepted socket, or the TLS socket over it @returns undefined if it has closed */
  connectionOf(socket: Socket): GatedConnection | undefined {
    return this.#open.get(keyOf(socket));
  }

  /** Exempts one of the daemon's own connections from being ended. @param socket its connected client end */
  spare(socket: Socket): void {
    const { localAddress, localPort, remoteAddress, remotePort } = socket;
    const key = tcpKey(localAddress, localPort, remoteAddress, remotePort);
    this.#own.add(key);
    // The listener may have accepted it already.
    const accepted = this.#open.get(key);
    if (accepted) this.settle(accepted);
    socket.once('close', () => this.#own.delete(key));
  }

  /** Removes a connection from those that are not authenticated. */
  settle(connection: GatedConnection): void {
    const waiting = this.#waiting.get(connection.source);
    if (!waiting?.delete(connection)) return;
    if (waiting.size === 0) this.#waiting.delete(connection.source);
    this.#unauthenticated -= 1;
  }

  /** Opens a share with one connection in it. @throws ThrottlingException */
  open(kind: ConnectionKind, holder: Holder): Share {
    const shares = this.#shares[kind];
    const share = shares.open(holder);
    const exceeded = share.take(1);
    if (exceeded === undefined) return share;
    share.close();
    throw new exceptions.ThrottlingException(tooMany(exceeded, kind, shares.limits));
  }

  /**
   * Ends the oldest connection of this source if it has too many, or else of the source that has most. An active client
   * authenticates long before its connection becomes the oldest; an idle one does not.
   */
  #makeRoom(source: string): void {
    const { unauthenticated, unauthenticatedPerSource } = this.limits;
    for (;;) {
      const own = this.#waiting.get(source);
      if (own && own.size >= unauthenticatedPerSource) this.#endOldest(own);
      else if (this.#unauthenticated >= unauthenticated) this.#endOldest(largest(this.#waiting.values()));
      else return;
    }
  }

  #endOldest(waiting: ReadonlySet<GatedConnection>): void {
    const [oldest] = waiting;
    if (!oldest) return;
    oldest.socket.destroy();
    this.settle(oldest);
    this.#ended += 1;
    this.displaced += 1;
    this.#report ??= setTimeout(() => {
      this.log.warn(
        { count: this.#ended },
        'unauthenticated connections were closed to make room for others',
      );
      this.#ended = 0;
      this.#report = undefined;
    }, reportInterval).unref();
  }
}

/** Reads the limits of connections from the configuration. */
export function gateLimitsOf(limits: Config['limits']): GateLimits {
  const shared = {
    perPrincipal: limits.connectionsPerPrincipal,
    perSource: limits.connectionsPerSource,
    reservedForRoot: limits.connectionsForRoot,
  };
  return {
    unauthenticated: limits.unauthenticatedConnections,
    unauthenticatedPerSource: limits.unauthenticatedConnectionsPerSource,
    connections: {
      native: fitting({ total: limits.connections, ...shared }),
      http: fitting({ total: limits.httpConnections, ...shared }),
    },
  };
}

/** Reads from the configuration how many signed upgrades are allowed within ten minutes. */
export function upgradeLimitsOf(limits: Config['limits']): ShareLimits {
  return fitting({
    total: limits.upgrades,
    perPrincipal: limits.upgradesPerPrincipal,
    perSource: limits.upgradesPerSource,
    reservedForRoot: limits.upgradesForRoot,
  });
}

function largest(all: Iterable<ReadonlySet<GatedConnection>>): ReadonlySet<GatedConnection> {
  let found: ReadonlySet<GatedConnection> = new Set();
  for (const each of all) if (each.size > found.size) found = each;
  return found;
}

function tooMany(exceeded: Exceeded, kind: ConnectionKind, limits: ShareLimits): string {
  const what = kind === 'native' ? 'connections' : 'HTTP connections';
  const sentences: Readonly<Record<Exceeded, string>> = {
    principal: `This principal has ${limits.perPrincipal} ${what}, which is the limit (limits.connectionsPerPrincipal).`,
    source: `This address has ${limits.perSource} ${what}, which is the limit (limits.connectionsPerSource).`,
    total: `There are ${limits.total - limits.reservedForRoot} ${what}, which is the limit (${settings[kind]}).`,
  };
  return `${sentences[exceeded]} Use open connections again, and close those that are not needed.`;
}

/** The key of a connection. A TLS socket hides the accepted socket, but has the same addresses and ports. */
function keyOf(socket: Socket): unknown {
  const { remotePort, remoteAddress, localAddress, localPort } = socket;
  return remotePort === undefined ? socket : tcpKey(remoteAddress, remotePort, localAddress, localPort);
}

function tcpKey(from = '', fromPort: number | undefined, to = '', toPort: number | undefined): string {
  // A dual-stack socket shows IPv4 addresses as IPv4-mapped IPv6 addresses.
  return `${from.replace('::ffff:', '')} ${fromPort} ${to.replace('::ffff:', '')} ${toPort}`;
}
