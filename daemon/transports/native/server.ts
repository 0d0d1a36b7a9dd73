// The WebSocket upgrade: authentication, and the lifecycle of connections.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import { errorTable, exceptions, type ServiceError } from '../../../proto/errors.js';
import type { Caller } from '../../identity/caller.js';
import type { Share } from '../../identity/shares.js';
import { makeRequestContext } from '../../pipeline/request-context.js';
import { toServiceError } from '../../pipeline/error-mapping.js';
import {
  asSigned,
  countFailure,
  freshCertificate,
  logRefusal,
  refuseThrottled,
  type TransportDeps,
  tlsDetailsOf,
} from '../clients.js';
import type { GatedConnection } from '../gate.js';
import { endWith } from '../http/malformed.js';
import { drained } from '../in-flight.js';
import { certificateOf, drainTimeout, type VerifiedCertificate } from '../certified.js';
import { Connection } from './connection.js';

const subprotocol = 'keyhold.v1';
/**
 * Maximum parts of an incomplete message, in WebSocket frames and in reads of the socket. Each part costs some hundred
 * bytes, however short it is; the defaults of ws are 16,384 and 262,144.
 */
const [maxFragments, maxBufferedChunks] = [128, 1_024];
const emptyPayloadHash = createHash('sha256').digest('hex');
/** Interval of the check for expired certificates, in milliseconds: their connections end almost at once. */
const certificateInterval = 1_000;
/** Interval of pings, in milliseconds. A peer that does not answer before the next one is considered gone. */
const pingInterval = 30_000;

/** Options of the native protocol. */
export interface NativeOptions {
  /** The Region of all requests. */
  readonly region: string;
  readonly limits: {
    /** Bytes of one message. */
    readonly frameBytes: number;
    readonly inFlightPerConnection: number;
  };
  /** Origins of web pages that may connect. */
  readonly allowedOrigins: readonly string[];
}

/** Serves the native protocol: WebSocket connections that carry protobuf messages. */
export class NativeServer {
  readonly #webSockets: WebSocketServer;
  readonly #connections = new Map<WebSocket, Connection>();
  readonly #alive = new Set<WebSocket>();
  /** The connections with a client certificate. */
  readonly #certified = new Map<WebSocket, { caller: Caller; verified: VerifiedCertificate }>();
  /** Those that are being drained because their certificate must be verified again. */
  readonly #renewing = new WeakSet<WebSocket>();
  readonly #timers: readonly NodeJS.Timeout[];
  #draining = false;

  constructor(
    private readonly deps: TransportDeps,
    private readonly options: NativeOptions,
  ) {
    this.#webSockets = new WebSocketServer({
      noServer: true,
      maxPayload: options.limits.frameBytes,
      maxFragments,
      maxBufferedChunks,
      // With compression an attacker who chooses part of a message could learn the secrets beside it (CRIME).
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
    });
    this.#timers = [
      // Answers that arrived while the event loop was blocked are read first.
      setInterval(() => setImmediate(() => this.#ping()), pingInterval).unref(),
      setInterval(() => this.endStale(), certificateInterval).unref(),
    ];
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Handles the `upgrade` event of a node:http or node:https server. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on('error', (error) =>
      this.deps.log.debug({ err: error }, 'a connection failed during its upgrade'),
    );
    const gated = this.deps.gate.connectionOf(socket);
    if (!gated) {
      socket.destroy();
      return;
    }
    this.#authenticate(request, socket, gated.source)
      .then((caller) => {
        const memory = gated.admit('native', caller);
        this.#accept(caller, gated, memory, request, socket, head);
      })
      .catch((error: unknown) =>
        this.#refuse(request, socket, countFailure(this.deps, request, toServiceError(error))),
      )
      .catch((error: unknown) => {
        this.deps.log.error({ err: error }, 'an upgrade could not be answered; its connection was closed');
        socket.destroy();
      });
  }

  /**
   * Ends the connections whose certificate has expired or is mapped to another principal now, and drains those whose chain
   * must be verified again.
   */
  endStale(): void {
    for (const [webSocket, { caller, verified }] of this.#certified) {
      const { arn, certificate } = caller;
      if (certificate && !this.deps.authenticator.isCurrent(certificate)) {
        this.deps.log.warn({ arn }, 'a connection was closed: its client certificate is no longer valid');
        webSocket.terminate();
      } else if (this.deps.verdicts.isStale(verified) && !this.#renewing.has(webSocket)) {
        this.#renewing.add(webSocket);
        this.#connections.get(webSocket)?.drain('the certificate is to be verified again');
        setTimeout(() => webSocket.terminate(), drainTimeout).unref();
      }
    }
  }

  /** Counts and logs a client certificate that did not verify. The caller ends the connection. */
  noteUnverified(socket: TLSSocket, reason: string): void {
    const source = socket.remoteAddress ?? 'unknown';
    if (this.deps.failures.mayLog(source))
      this.deps.log.warn({ source, reason }, 'a client certificate failed verification');
    this.deps.failures.note(source, 'UnrecognizedClientException', undefined);
  }

  /**
   * Takes no new connections, answers the requests in flight, and closes all connections.
   * @param timeout in milliseconds; connections that are open after it are terminated
   */
  async drain(timeout: number): Promise<void> {
    this.#draining = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const connection of this.#connections.values()) connection.drain();
    await drained(() => this.#connections.size, timeout);
    for (const connection of this.#connections.values()) connection.terminate();
  }

  async #authenticate(request: IncomingMessage, socket: Socket, source: string): Promise<Caller> {
    if (this.#draining) throw new exceptions.ThrottlingException('The daemon is stopping.');
    const { origin } = request.headers;
    if (origin !== undefined && !this.options.allowedOrigins.includes(origin)) {
      throw new exceptions.AccessDeniedException(
        'The configuration does not list this Origin in allowedOrigins.',
      );
    }
    if (socket instanceof TLSSocket && socket.getProtocol() !== 'TLSv1.3') {
      throw new exceptions.AccessDeniedException('The native protocol wants TLS 1.3.');
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (!offered.includes(subprotocol)) {
      throw new exceptions.ValidationException(`The WebSocket subprotocol must be ${subprotocol}.`);
    }
    refuseThrottled(this.deps, request);
    const forwarded = this.deps.proxies.forwarded(request, socket.remoteAddress);
    const signed = {
      method: request.method ?? 'GET',
      ...asSigned(request.url ?? '/', request.rawHeaders, forwarded),
      payloadHash: emptyPayloadHash,
    };
    const certificate = freshCertificate(this.deps, request)?.leaf;
    return this.deps.authenticator.authenticateUpgrade({ request: signed, certificate, source });
  }

  #accept(
    caller: Caller,
    gated: GatedConnection,
    memory: Share,
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
  ): void {
    const userAgent = request.headers['user-agent'] ?? '';
    const address = this.deps.proxies.forwarded(request, gated.address)?.address ?? gated.address;
    this.deps.failures.noteSuccess(address ?? 'unix', caller.accessKeyId);
    const tls = tlsDetailsOf(socket, request.headers.host);
    const origin = makeRequestContext('native', caller, this.options.region, address, userAgent, tls);
    this.deps.noted.note(origin, { eventName: 'OpenConnection' });
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.setNoDelay(true);
      const { pipeline, noted, log } = this.deps;
      const { inFlightPerConnection } = this.options.limits;
      const parts = { origin, memory, inFlightPerConnection, pipeline, noted, log };
      const connection = new Connection(webSocket, socket, parts);
      this.#connections.set(webSocket, connection);
      this.#alive.add(webSocket);
      const verified = caller.certificate && certificateOf(socket);
      if (verified) this.#certified.set(webSocket, { caller, verified });
      webSocket.on('pong', () => this.#alive.add(webSocket));
      webSocket.on('close', () => {
        this.#connections.delete(webSocket);
        this.#alive.delete(webSocket);
        this.#certified.delete(webSocket);
      });
      if (this.#draining) connection.drain();
    });
  }

  #refuse(request: IncomingMessage, socket: Socket, error: ServiceError): void {
    logRefusal(this.deps, request, error, 'a connection was refused');
    const body = JSON.stringify({ __type: error.code, message: error.message });
    const status = errorTable[error.code].httpStatus;
    const wait = error.retryAfter ? `Retry-After: ${Math.ceil(error.retryAfter / 1000)}\r\n` : '';
    endWith(
      socket,
      `HTTP/1.1 ${status} ${error.code}\r\nContent-Type: application/x-amz-json-1.1\r\n${wait}` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
    request.resume();
  }

  #ping(): void {
    for (const [webSocket, connection] of this.#connections) {
      if (!this.#alive.delete(webSocket)) connection.terminate();
      else connection.ping();
    }
  }
}
