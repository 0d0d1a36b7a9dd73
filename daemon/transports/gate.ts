// Counts connections from the moment they are accepted. Before authentication they may be ended at any time to make room
// for new ones; afterwards they have a place of their own, by principal and by source.
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

/** Between two lines of the log about connections that were ended, in milliseconds. */
const reportInterval = 60_000;

/** What a connection is used for once it is authenticated. */
export type ConnectionKind = 'native' | 'http';

/** `http`: without TLS. */
export type ListenerKind = 'unix' | 'tls' | 'http';

export interface GateLimits {
  /** Connections that are not authenticated, all together. */
  readonly unauthenticated: number;
  readonly unauthenticatedPerSource: number;
  /** Authenticated ones. */
  readonly connections: Readonly<Record<ConnectionKind, ShareLimits>>;
}

const settings: Readonly<Record<ConnectionKind, string>> = {
  native: 'limits.connections',
  http: 'limits.httpConnections',
};

/** A connection that was accepted and is not closed. */
export class GatedConnection {
  /** IP address of the peer; undefined: it came over the unix socket. */
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

  /** @param listener that accepted it */
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
   * Gives the connection a place among the authenticated ones.
   * @throws ThrottlingException where the principal, the source or all together have too many
   */
  admit(kind: ConnectionKind, caller: Caller): Share {
    // A place is of who was authenticated first, or of the native protocol when the connection changes to it.
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

  /** Whose connection it is; undefined while it is not authenticated. */
  get holder(): Holder | undefined {
    return this.#holder;
  }

  /** Bytes of requests are counted in it; undefined while the connection is not authenticated. */
  get memory(): Share | undefined {
    return this.#memory;
  }

  /** Remembers the bytes of a request, whose answer leaves by the end of the connection at the latest. */
  lease(lease: Lease): Lease {
    this.#leases.add(lease);
    return lease;
  }

  /** The answer of a request has left. */
  left(lease: Lease): void {
    if (this.#leases.delete(lease)) lease.left();
  }

  /** To be called when the socket has closed. */
  release(): void {
    for (const lease of this.#leases) this.left(lease);
    this.#share?.close();
    // Requests may still be under way.
    this.#memory?.retire();
    this.gate.settle(this);
  }
}

export class Gate {
  /** All that are open: those of TCP by their two ends, those of the unix socket by the socket. */
  readonly #open = new Map<unknown, GatedConnection>();
  /** Those that are not authenticated, by source, the oldest first. */
  readonly #waiting = new Map<string, Set<GatedConnection>>();
  readonly #shares: Readonly<Record<ConnectionKind, Shares>>;
  /** The daemon's own connections, by their two ends: they are never ended to make room. */
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
   * Takes a connection that was just accepted. Where there are too many that are not authenticated, an older one is ended.
   */
  accept(socket: Socket, listener: ListenerKind): void {
    // The peer has gone already. Without an address it would be taken for a client of the unix socket.
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

  /** @param socket accepted, or TLS over one that was. @returns undefined where it has closed */
  connectionOf(socket: Socket): GatedConnection | undefined {
    return this.#open.get(keyOf(socket));
  }

  /** Keeps one of the daemon's own connections from being ended. @param socket its client end, connected */
  spare(socket: Socket): void {
    const { localAddress, localPort, remoteAddress, remotePort } = socket;
    const key = tcpKey(localAddress, localPort, remoteAddress, remotePort);
    this.#own.add(key);
    // It may have been accepted before it was known.
    const accepted = this.#open.get(key);
    if (accepted) this.settle(accepted);
    socket.once('close', () => this.#own.delete(key));
  }

  /** Takes a connection out of those that are not authenticated. */
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
   * Ends the oldest connection of the source that has too many, or of the one that has most. A client that goes on with
   * its handshake and its first request is authenticated long before it is the oldest; one that is idle is not.
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
        'connections were ended before they were authenticated, to make room for others',
      );
      this.#ended = 0;
      this.#report = undefined;
    }, reportInterval).unref();
  }
}

/** The limits of connections as the configuration has them. */
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

/** How many upgrades may be signed within ten minutes. */
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

/** TLS hides the socket that was accepted, but has its addresses. */
function keyOf(socket: Socket): unknown {
  const { remotePort, remoteAddress, localAddress, localPort } = socket;
  return remotePort === undefined ? socket : tcpKey(remoteAddress, remotePort, localAddress, localPort);
}

function tcpKey(from = '', fromPort: number | undefined, to = '', toPort: number | undefined): string {
  // An end that takes both families shows IPv4 addresses as IPv6 ones.
  return `${from.replace('::ffff:', '')} ${fromPort} ${to.replace('::ffff:', '')} ${toPort}`;
}
