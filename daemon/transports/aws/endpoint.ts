// The HTTP endpoint for clients of AWS KMS and AWS STS. Requests are POST; STS also allows GET.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { type MessageShape, type OperationShape } from '../../../proto/schema/descriptor.js';
import type { ServiceError } from '../../../proto/errors.js';
import type { Caller } from '../../identity/caller.js';
import type { Share } from '../../identity/shares.js';
import { signedHttpRequest } from '../../identity/signatures/http-requests.js';
import { makeRequestContext, type RequestContext } from '../../pipeline/request-context.js';
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
import type { Forwarded } from '../proxies.js';
import { certificateOf, drainTimeout, type VerifiedCertificate } from '../certified.js';
import type { Route } from '../http/router.js';
import { drained, tooManyInFlight } from '../in-flight.js';
import { Lease } from '../request-memory.js';
import { Bodies } from './body.js';
import { jsonProtocol } from './json-protocol.js';
import type { Message, Protocol } from './protocol.js';
import {
  bearsCredentials,
  headersOf,
  protocolOf,
  queryOf,
  refusalOf,
  shapeOf,
  unknownOperation,
} from './request-parts.js';

/** Interval of the check for certificates that must be verified again, in milliseconds. */
const certificateInterval = 1_000;

/** Options of the AWS endpoint. */
export interface AwsOptions {
  /** The Region of all requests. */
  readonly region: string;
  readonly limits: {
    /** Bytes of a request's body. */
    readonly bodyBytes: number;
    readonly inFlightPerConnection: number;
  };
}

/** Maximum requests in flight on a connection that is not authenticated yet: as many as HTTP/2 allows streams. */
const maxUnauthenticatedInFlight = 100;

/** The state of a connection. */
interface Connection {
  inFlight: number;
  readonly gated: GatedConnection;
  /** The connection was over a limit, or takes no further requests: it is closed after the answer. */
  isRefused: boolean;
  /** The context of the last request. */
  origin?: RequestContext;
}

/** Serves AWS's protocols over HTTP. */
export class AwsEndpoint implements Route {
  readonly name = 'POST for clients of AWS';
  readonly #bodies: Bodies;
  readonly #connections = new WeakMap<object, Connection>();
  /** The connections with a client certificate, and how each is ended. */
  readonly #certified = new Map<Connection, { verified: VerifiedCertificate; end: () => void }>();
  readonly #timer = setInterval(() => this.endStale(), certificateInterval).unref();
  #inFlight = 0;
  #draining = false;

  constructor(
    private readonly deps: TransportDeps,
    private readonly options: AwsOptions,
  ) {
    this.#bodies = new Bodies(options.limits.bodyBytes, deps.memory);
  }

  /** Every POST, since a signature covers any path, and a GET with an Action, as the query protocol allows. */
  takes({ method, url = '' }: IncomingMessage): boolean {
    return method === 'POST' || (method === 'GET' && /[?&]Action=/.test(url));
  }

  /** Answers a request, or destroys its connection if it has far too many in flight. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = randomUUID();
    const connection = this.#connectionOf(request);
    if (!connection) {
      request.destroy();
      return;
    }
    const { gated } = connection;
    if (connection.inFlight >= this.#mostInFlight(gated)) {
      this.#noteExcess(gated, requestId);
      gated.socket.destroy();
      return;
    }
    const protocol = protocolOf(request) ?? jsonProtocol;
    const lease = gated.lease(new Lease(this.deps.memory, gated.memory));
    response.once('close', () => gated.left(lease));
    this.#inFlight += 1;
    connection.inFlight += 1;
    try {
      const text = await this.#answer(request, connection, requestId, lease);
      lease.add(text?.length ?? 0);
      if (text !== undefined)
        this.#send(request, response, connection, requestId, protocol.contentType, 200, text);
    } catch (failure) {
      const error = toServiceError(failure);
      const { status, text } = protocol.encodeError(error, requestId);
      this.#send(request, response, connection, requestId, protocol.contentType, status, text, error);
    } finally {
      connection.inFlight -= 1;
      this.#inFlight -= 1;
      lease.answered();
    }
  }

  /** Drains the connections whose certificate must be verified again. */
  endStale(): void {
    for (const [connection, { verified, end }] of this.#certified) {
      if (connection.isRefused || !this.deps.verdicts.isStale(verified)) continue;
      connection.isRefused = true;
      end();
    }
  }

  /** Counts a request that is refused before its signature is verified. */
  #noteExcess({ source }: GatedConnection, requestId: string): void {
    const errorCode = 'ThrottlingException';
    // Counted by source, not by address: a client with one IPv6 address has 2^64, each of which would get its own record.
    this.deps.noted.refuse({ address: source }, { errorCode, requestId });
  }

  /** Maximum requests in flight before the connection is destroyed instead of answered. */
  #mostInFlight({ memory }: GatedConnection): number {
    return memory ? 2 * this.options.limits.inFlightPerConnection : maxUnauthenticatedInFlight;
  }

  /** Answers the requests in flight, and tells clients to open another connection. @param timeout in milliseconds */
  async drain(timeout: number): Promise<void> {
    this.#draining = true;
    clearInterval(this.#timer);
    await drained(() => this.#inFlight, timeout);
  }

  /** @returns undefined if the client went away before it had sent the whole request */
  async #answer(
    request: IncomingMessage,
    connection: Connection,
    requestId: string,
    lease: Lease,
  ): Promise<string | undefined> {
    const body = await this.#bodies.read(request, lease);
    if (!body) return undefined;
    try {
      const { inFlightPerConnection } = this.options.limits;
      if (connection.inFlight > inFlightPerConnection) {
        this.#noteExcess(connection.gated, requestId);
        throw tooManyInFlight(inFlightPerConnection);
      }
      const protocol = protocolOf(request);
      const parameters = request.method === 'GET' ? queryOf(request) : body;
      const name = protocol?.operationName(request.headers, parameters) ?? '';
      const shape = protocol && shapeOf(protocol, name);
      const refusal = refusalOf(request, protocol, shape);
      // Without credentials the refusal is sent at once. With them the request is authenticated first, and recorded.
      if (refusal && !bearsCredentials(request, this.#certified.has(connection))) throw refusal;
      const origin = await this.#origin(
        request,
        connection,
        lease,
        body,
        protocol ?? jsonProtocol,
        requestId,
      );
      if (refusal || !shape) {
        const error = refusal ?? unknownOperation(protocol);
        this.deps.noted.refuse(origin, { errorCode: error.code, requestId, operation: shape?.name });
        throw error;
      }
      return await this.#execute(origin, protocol, shape, parameters, requestId);
    } finally {
      // The body may contain a plaintext.
      body.fill(0);
    }
  }

  async #execute(
    origin: RequestContext,
    protocol: Protocol,
    shape: OperationShape,
    body: Buffer,
    requestId: string,
  ): Promise<string> {
    let message: Message = {};
    let refusal: ServiceError | undefined;
    try {
      message = protocol.decode(shape.request, body);
    } catch (error) {
      refusal = toServiceError(error);
    }
    try {
      const answer = await this.deps.pipeline.execute(origin, shape, message, requestId, refusal);
      const text = protocol.encode(shape.name, shape.response, answer.response as Message, requestId);
      answer.wipe();
      return text;
    } finally {
      wipeBlobs(shape.request, message);
    }
  }

  /** Authenticates a request. @throws what the authenticator throws */
  async #origin(
    request: IncomingMessage,
    connection: Connection,
    lease: Lease,
    body: Buffer,
    protocol: Protocol,
    requestId: string,
  ): Promise<RequestContext> {
    try {
      refuseThrottled(this.deps, request);
      const { method = '', url = '' } = request;
      const forwarded = this.deps.proxies.forwarded(request, connection.gated.address);
      const { target, rawHeaders } = asSigned(url, headersOf(request), forwarded);
      const signed = signedHttpRequest(method, target, rawHeaders, body);
      const certificate = freshCertificate(this.deps, request)?.leaf;
      const evidence = { request: signed, certificate };
      const caller = await this.deps.authenticator.authenticateRequest(evidence, protocol.service);
      lease.authenticate(this.#admit(connection, caller));
      return this.#originOf(request, connection, caller, forwarded);
    } catch (failure) {
      const error = toServiceError(failure);
      logRefusal(this.deps, request, error, 'a request was refused', requestId);
      throw countFailure(this.deps, request, error);
    }
  }

  #admit(connection: Connection, caller: Caller): Share {
    try {
      return connection.gated.admit('http', caller);
    } catch (error) {
      connection.isRefused = true;
      throw error;
    }
  }

  /** Reuses the context of the last request unless the caller, its user agent or its address has changed. */
  #originOf(
    { headers, socket }: IncomingMessage,
    connection: Connection,
    caller: Caller,
    forwarded: Forwarded | undefined,
  ): RequestContext {
    const { origin: known, gated } = connection;
    const userAgent = headers['user-agent'] ?? '';
    const address = forwarded?.address ?? gated.address;
    const plainHttp = forwarded?.isPlain ?? (gated.address !== undefined && !gated.isTls);
    const isSame = known?.userAgent === userAgent && known.sourceAddress === address;
    if (isSame && known.plainHttp === plainHttp && isSameCaller(known.caller, caller)) {
      connection.origin = { ...known, caller };
    } else {
      this.deps.failures.noteSuccess(address ?? 'unix', caller.accessKeyId);
      const host = headers.host ?? headers[':authority'];
      const clientHost = typeof host === 'string' ? host : undefined;
      // Behind a proxy the client's TLS parameters are unknown.
      const tls = gated.isTls && !forwarded ? tlsDetailsOf(socket, clientHost) : undefined;
      const made = makeRequestContext('aws', caller, this.options.region, address, userAgent, tls);
      connection.origin = { ...made, plainHttp };
    }
    return connection.origin;
  }

  /** @returns undefined if the connection has closed */
  #connectionOf(request: IncomingMessage): Connection | undefined {
    // In HTTP/2 `socket` is a proxy object made for each request, so the session is the key.
    const session = (request as unknown as Partial<Http2ServerRequest>).stream?.session;
    const key = session ?? request.socket;
    let connection = this.#connections.get(key);
    if (!connection) {
      const gated = this.deps.gate.connectionOf(request.socket);
      if (!gated) return undefined;
      connection = { inFlight: 0, gated, isRefused: false };
      this.#connections.set(key, connection);
      const verified = certificateOf(request.socket);
      if (verified) this.#watch(connection, verified, session ?? request.socket);
    }
    return connection;
  }

  #watch(connection: Connection, verified: VerifiedCertificate, carrier: Http2Session | Socket): void {
    const end = () => {
      // HTTP/2 sends GOAWAY and finishes the streams in flight. In HTTP/1.1 the answer in flight has `Connection: close`.
      if (!('destroySoon' in carrier)) carrier.close();
      else if (connection.inFlight === 0) carrier.destroySoon();
      setTimeout(() => carrier.destroy(), drainTimeout).unref();
    };
    this.#certified.set(connection, { verified, end });
    connection.isRefused = this.deps.verdicts.isStale(verified);
    if (connection.isRefused && !('destroySoon' in carrier)) carrier.close();
    carrier.once('close', () => this.#certified.delete(connection));
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    { isRefused }: Connection,
    requestId: string,
    contentType: string,
    status: number,
    text: string,
    error?: ServiceError,
  ): void {
    if (response.destroyed || response.writableEnded) return;
    // If the body was not read to its end, the connection cannot carry another request.
    const isLast = this.#draining || isRefused || !request.complete;
    if (isLast && request.httpVersionMajor === 1) response.setHeader('Connection', 'close');
    if (isRefused) (request as unknown as Partial<Http2ServerRequest>).stream?.session?.close();
    if (error?.retryAfter) {
      // The AWS SDKs' own header, in milliseconds. It comes first because the JavaScript SDK uses the first of the two.
      response.setHeader('x-amz-retry-after', error.retryAfter);
      response.setHeader('Retry-After', Math.ceil(error.retryAfter / 1000));
    }
    response
      .writeHead(status, {
        'x-amzn-RequestId': requestId,
        'Content-Type': contentType,
        'Cache-Control': 'no-store',
        'Content-Length': Buffer.byteLength(text),
      })
      .end(text);
  }
}

function isSameCaller(a: Caller, b: Caller): boolean {
  return a.arn === b.arn && a.principalId === b.principalId && a.accessKeyId === b.accessKeyId;
}

function wipeBlobs(shape: MessageShape, message: Message): void {
  for (const { name, kind } of shape.fields)
    if (kind === 'bytes') (message[name] as Buffer | undefined)?.fill(0);
}
