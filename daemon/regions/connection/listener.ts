// The port for other Regions. It serves one thing, WebSockets with the certificates that were pinned at a link; without a
// link it has no certificate and ends every handshake.
import { createServer, type Server } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import type { LinkContexts } from './contexts.js';
import { subprotocol, webSocketOptions } from './frames.js';
import { InboundConnection, type InboundDeps } from './inbound.js';

/** Connections that are not authenticated yet; a further one ends the oldest. */
const mostUnauthenticated = 128;
/** Bytes of the headers of an upgrade. */
const maxHeaderSize = 4_096;
/** Milliseconds between two log lines about refused connections. */
const reportInterval = 10_000;

/** What the listener needs besides the dependencies of its connections. */
export interface RegionListenerDeps extends InboundDeps {
  readonly contexts: LinkContexts;
  /** Called when a Region has connected. */
  readonly connected: (region: string, generation: number) => void;
}

interface Authenticated {
  readonly region: string;
  readonly generation: number;
}

/** Accepts connections of linked Regions: one of each, a new one replaces the one before. */
export class RegionListener {
  readonly server: Server;
  readonly #webSockets: WebSocketServer;
  /** By the address of the other end. */
  readonly #unauthenticated = new Map<string, Socket>();
  readonly #authenticated = new WeakMap<object, Authenticated>();
  readonly #current = new Map<string, InboundConnection>();
  /** All connections, those that are being drained included. */
  readonly #open = new Set<InboundConnection>();
  #reported = -Infinity;
  #unreported = 0;
  #isClosed = false;

  constructor(private readonly deps: RegionListenerDeps) {
    this.#webSockets = new WebSocketServer({
      ...webSocketOptions,
      noServer: true,
      handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
    });
    const { handshake } = deps.times;
    this.server = createServer(
      {
        minVersion: 'TLSv1.3',
        requestCert: true,
        rejectUnauthorized: true,
        handshakeTimeout: handshake,
        headersTimeout: handshake,
        requestTimeout: handshake,
        connectionsCheckingInterval: 1_000,
        maxHeaderSize,
        ALPNProtocols: ['http/1.1'],
        // The contexts accept nothing but the pinned certificate. A name that is unknown gets a server without any certificate.
        SNICallback: (name, done: (error: Error | null, context?: SecureContext) => void) =>
          done(null, deps.contexts.named(name)?.context),
      },
      (request, response) => {
        response.writeHead(426, { Connection: 'close', 'Content-Length': 0 }).end();
        request.resume();
      },
    );
    this.server.prependListener('connection', (socket: Socket) => this.#accept(socket));
    this.server.prependListener('secureConnection', (socket) => this.#authenticate(socket));
    // node:https would answer with HTTP on a connection whose handshake failed, and would not end it.
    this.server.removeAllListeners('tlsClientError');
    this.server.on('tlsClientError', (error, socket) => {
      this.#refused(socket, String(socket.authorizationError ?? error.message));
    });
    this.server.on('clientError', (_error, socket) => socket.destroy());
    this.server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as TLSSocket, head));
  }

  /** The generation with which a Region is connected. @returns undefined if it is not */
  generationOf(region: string): number | undefined {
    return this.#current.get(region)?.generation;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#open.size;
  }

  /** Ends the connections of a Region whose generation is not linked any more. */
  endStale(region: string, isLinked: (generation: number) => boolean): void {
    for (const connection of this.#open)
      if (connection.region === region && !isLinked(connection.generation)) connection.terminate();
  }

  /** Accepts no more connections, and drains those that are open. */
  close(): void {
    this.#isClosed = true;
    this.server.close();
    this.server.closeIdleConnections();
    for (const socket of this.#unauthenticated.values()) socket.destroy();
    for (const connection of this.#open) connection.drain();
  }

  /** Ends all connections at once. */
  terminate(): void {
    for (const connection of this.#open) connection.terminate();
    this.server.closeAllConnections();
  }

  #accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.#isClosed) {
      socket.destroy();
      return;
    }
    const [oldest] = this.#unauthenticated;
    if (oldest && this.#unauthenticated.size >= mostUnauthenticated) {
      this.#unauthenticated.delete(oldest[0]);
      oldest[1].destroy();
    }
    const end = otherEnd(socket);
    this.#unauthenticated.set(end, socket);
    socket.once('close', () => {
      if (this.#unauthenticated.get(end) === socket) this.#unauthenticated.delete(end);
    });
  }

  /** OpenSSL has verified the certificate; the comparison says whose it is. */
  #authenticate(socket: TLSSocket): void {
    const pinned = this.deps.contexts.named(String(socket.servername || ''));
    const shown = socket.getPeerX509Certificate()?.raw;
    if (!pinned || !shown?.equals(pinned.certificate)) {
      this.#refused(socket, 'not the pinned certificate');
      return;
    }
    const { region, generation } = pinned;
    // The port has 'connection' for the socket below TLS, which has the same ends.
    this.#unauthenticated.delete(otherEnd(socket));
    this.#authenticated.set(socket, { region, generation });
  }

  #upgrade(request: IncomingMessage, socket: TLSSocket, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const known = this.#authenticated.get(socket);
    const isOffered = (request.headers['sec-websocket-protocol'] ?? '')
      .split(',')
      .some((name) => name.trim() === subprotocol);
    if (!known || !isOffered || this.#isClosed) {
      socket.destroy();
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.setNoDelay(true);
      socket.setTimeout(0);
      const { region, generation } = known;
      const connection = new InboundConnection(webSocket, region, generation, this.deps);
      webSocket.once('close', () => {
        this.#open.delete(connection);
        if (this.#current.get(region) === connection) this.#current.delete(region);
      });
      this.#replace(connection);
      this.deps.connected(region, generation);
    });
  }

  /** A Region has one connection, and one more that is being drained. */
  #replace(connection: InboundConnection): void {
    const before = this.#current.get(connection.region);
    for (const other of this.#open)
      if (other.region === connection.region && other !== before) other.terminate();
    before?.drain();
    this.#current.set(connection.region, connection);
    this.#open.add(connection);
  }

  #refused(socket: TLSSocket, reason: string): void {
    const source = socket.remoteAddress;
    socket.destroy();
    this.#unreported += 1;
    if (performance.now() - this.#reported < reportInterval) return;
    this.#reported = performance.now();
    this.deps.log.warn(
      { source, reason, count: this.#unreported },
      'connections to the port for other Regions were refused: they are not of a linked Region',
    );
    this.#unreported = 0;
  }
}

function otherEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
