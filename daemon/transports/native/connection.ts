import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import {
  decodeRequest,
  type DecodedRequest,
  encodeError,
  encodeResponse,
} from '../../../proto/codec/frames.js';
import { type ErrorCode, exceptions, type ServiceError } from '../../../proto/errors.js';
import type { Share } from '../../identity/shares.js';
import type { Logger } from '../../observability/log.js';
import type { RequestContext } from '../../pipeline/request-context.js';
import { toServiceError } from '../../pipeline/error-mapping.js';
import type { NotedRequests } from '../../pipeline/noted-requests.js';
import type { Pipeline } from '../../pipeline/pipeline.js';
import { tooManyInFlight } from '../in-flight.js';
import { tooMuchMemory } from '../request-memory.js';
import { Replies } from './replies.js';

/** WebSocket close codes, RFC 6455 section 7.4.1. */
const closeCodes = {
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  invalidPayload: 1007,
} as const;

/**
 * Bytes of unread replies above which nothing more is read from the peer. A peer that sends requests and never reads the
 * replies fills its own buffers, not the daemon's memory.
 */
const maxUnread = 1024 * 1024;

/** Dependencies of a connection. */
export interface ConnectionDeps {
  /** The caller and its address. */
  readonly origin: RequestContext;
  /** The share in which the bytes of its requests and replies are counted. */
  readonly memory: Share;
  readonly inFlightPerConnection: number;
  readonly pipeline: Pipeline;
  readonly noted: NotedRequests;
  readonly log: Logger;
}

/** One WebSocket connection. Its requests run concurrently and are answered as they finish. */
export class Connection {
  #inFlight = 0;
  #closing = false;
  #drainReason: string | undefined;
  readonly #replies: Replies;

  /** @param socket the socket under the WebSocket, to which replies are written */
  constructor(
    private readonly webSocket: WebSocket,
    socket: Socket,
    private readonly deps: ConnectionDeps,
  ) {
    const isOpen = () => webSocket.readyState === webSocket.OPEN;
    this.#replies = new Replies(socket, isOpen, (length) => this.#written(length));
    webSocket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    // A frame over the size limit or in violation of RFC 6455; ws has already sent the close code.
    webSocket.on('error', (error) => {
      deps.log.warn({ err: error }, 'a client violated the protocol; its connection was closed');
      this.#note('ValidationException');
    });
  }

  /**
   * Answers the requests in flight, takes no new ones, then closes with 1001 (going away). A request without an answer was
   * not executed.
   * @param reason ASCII, at most 123 bytes
   */
  drain(reason = 'the daemon is stopping'): void {
    this.#closing = true;
    this.#drainReason = reason;
    if (this.#inFlight === 0) this.#close(closeCodes.goingAway, reason);
  }

  /** Ends the connection at once. */
  terminate(): void {
    this.webSocket.terminate();
  }

  /** Sends a WebSocket ping. */
  ping(): void {
    this.webSocket.ping();
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#closing) {
      this.#note('ThrottlingException');
      return;
    }
    if (!isBinary || !Buffer.isBuffer(data)) {
      this.#note('ValidationException');
      this.#close(closeCodes.unsupportedData, 'frames are binary: one protobuf message each');
      return;
    }
    let request: DecodedRequest;
    try {
      request = decodeRequest(data);
    } catch (error) {
      // The request's id is unknown, so the reply has the id 0 and the connection is closed.
      const requestId = this.#note('ValidationException');
      this.deps.log.warn({ err: error, requestId }, 'a frame could not be decoded');
      const refusal = new exceptions.ValidationException('The frame is not a Request of keyhold.v1.');
      this.#send(encodeError(0, refusal, requestId));
      this.#close(closeCodes.invalidPayload, 'malformed frame');
      return;
    }
    this.#answer(request, data).catch((error: unknown) => this.#fail(error));
  }

  async #answer(request: DecodedRequest, frame: Buffer): Promise<void> {
    const { id, deadline, operation, message, error } = request;
    const expires = deadline === 0 ? Infinity : performance.now() + deadline;
    const requestId = randomUUID();
    this.#inFlight += 1;
    const exceeded = this.deps.memory.take(frame.length);
    try {
      const refusal = exceeded === undefined ? this.#refusalOf(request) : tooMuchMemory();
      if (!operation || refusal) {
        const failure = refusal ?? noSuchOperation();
        this.#note(failure.code, requestId, operation?.name);
        throw failure;
      }
      const answer = await this.deps.pipeline.execute(
        this.deps.origin,
        operation,
        message,
        requestId,
        error,
        expires,
      );
      const reply = encodeResponse(id, operation, answer.response as Record<string, unknown>, requestId);
      answer.wipe();
      this.#send(reply);
    } catch (failure) {
      this.#send(encodeError(id, toServiceError(failure), requestId));
    } finally {
      // The request may contain a plaintext.
      frame.fill(0);
      if (exceeded === undefined) this.deps.memory.add(-frame.length);
      this.#inFlight -= 1;
      if (this.#closing && this.#inFlight === 0) this.drain(this.#drainReason);
    }
  }

  /** Ends this connection after a reply could not be encoded or sent. */
  #fail(error: unknown): void {
    this.deps.log.error({ err: error }, 'a request could not be answered; its connection was closed');
    this.terminate();
  }

  /** Returns the reason to refuse a request before its operation begins. */
  #refusalOf({ id, operation, error }: DecodedRequest): ServiceError | undefined {
    if (id === 0) return new exceptions.ValidationException('A request needs an id other than 0.');
    const { inFlightPerConnection } = this.deps;
    if (this.#inFlight > inFlightPerConnection) return tooManyInFlight(inFlightPerConnection);
    return operation ? undefined : error;
  }

  /** Counts a request that is refused here. @returns its request ID */
  #note(errorCode: ErrorCode, requestId: string = randomUUID(), operation?: string): string {
    this.deps.noted.refuse(this.deps.origin, { errorCode, requestId, operation });
    return requestId;
  }

  #send(frame: Uint8Array): void {
    this.deps.memory.add(frame.length);
    this.#replies.add(frame);
    if (this.webSocket.bufferedAmount + this.#replies.waiting > maxUnread) this.webSocket.pause();
  }

  #written(length: number): void {
    this.deps.memory.add(-length);
    if (this.webSocket.isPaused && this.webSocket.bufferedAmount < maxUnread / 2) this.webSocket.resume();
  }

  /** Closes the connection after all replies are sent. */
  #close(code: number, reason: string): void {
    this.#replies.flush();
    this.webSocket.close(code, reason);
  }
}

function noSuchOperation(): ServiceError {
  return new exceptions.UnsupportedOperationException('There is no such operation.');
}
