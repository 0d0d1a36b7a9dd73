import { setTimeout as sleep } from 'node:timers/promises';
import { type DecodedResponse, decodeResponse, encodeRequest } from '../../proto/codec/frames.js';
import type { OperationShape } from '../../proto/schema/descriptor.js';
import {
  ConnectionError,
  connectionLost,
  outcomeUnknown,
  type ServiceError,
  TimeoutError,
} from '../errors.js';
import type { EventSource } from '../events.js';
import { InFlight, type Pending } from './in-flight.js';
import { GoneAway, Link, type Liveness, livenessFor } from './link.js';
import type { CallOptions, Settings } from '../options.js';
import { backoff, isRepeatable, mayRetry } from './retry.js';
import { endpointName, notConnected, openSocket } from './socket.js';

/**
 * Sends requests over one WebSocket at a time. When it breaks, the next request opens a new one, and unanswered requests
 * are sent again where that is safe.
 */
export class Connection {
  readonly #settings: Settings;
  readonly #events: EventSource;
  readonly #url: string;
  readonly #liveness: Liveness;
  readonly #inFlight = new InFlight((pending) => {
    this.#expire(pending);
  });
  readonly #waiting = new Set<Pending>();
  #sent = 0;
  #link: Link | undefined;
  #connecting = false;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;
  /** Why the last attempt to connect failed, for requests that time out waiting. */
  #connectFailure: Error | undefined;
  /** The error that the daemon sent before it closed the connection. */
  #complaint: Error | undefined;

  /** It does not connect yet. @param events what is told of connections and repetitions */
  constructor(settings: Settings, events: EventSource) {
    this.#settings = settings;
    this.#events = events;
    this.#url = endpointName(settings.endpoint);
    this.#liveness = livenessFor(settings.timeout);
  }

  /**
   * Connects for the first time, in one attempt.
   * @param signal aborts it
   * @throws what openSocket throws
   */
  async open(signal?: AbortSignal): Promise<void> {
    this.#attach(await this.#openLink(signal));
  }

  /**
   * Sends a request, again where that is safe and needed.
   * @param message the request, in the shape of the schema
   * @returns the message of the response, with the member `requestId`, which is not enumerable
   * @throws ServiceError, ConnectionError or TimeoutError; the signal's reason
   */
  request(
    operation: OperationShape,
    message: object,
    options: CallOptions = {},
  ): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      const { signal, timeout = this.#settings.timeout } = options;
      if (this.#closing) throw new ConnectionError('Closed', 'The client is closed; make a new one.');
      signal?.throwIfAborted();
      const id = this.#inFlight.newId();
      const deadline = Math.min(Math.ceil(timeout), 0xffffffff);
      const frame = encodeRequest(id, deadline, operation, message as Record<string, unknown>);
      const expires = performance.now() + timeout;
      const pending: Pending = {
        id,
        operation,
        frame,
        expires,
        resolve,
        reject,
        state: 'waiting',
        attempts: 0,
        release: undefined,
      };
      if (signal) this.#watch(pending, signal);
      this.#inFlight.add(pending);
      this.#dispatch(pending);
    });
  }

  /** Refuses new requests, waits for the responses to those in flight, and closes the connection. */
  close(): Promise<void> {
    return (this.#closing ??= this.#drainAndClose());
  }

  async #drainAndClose(): Promise<void> {
    if (this.#inFlight.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    await this.#link?.close();
  }

  #watch(pending: Pending, signal: AbortSignal): void {
    const onAbort = () => {
      this.#settle(pending);
      pending.reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    pending.release = () => {
      signal.removeEventListener('abort', onAbort);
    };
  }

  /** The link, if the request may be sent over it now. */
  #readyFor({ operation }: Pending): Link | undefined {
    const link = this.#link;
    if (!link?.usable || this.#sent >= this.#settings.maxInFlight) return undefined;
    if (!link.isQuiet || isRepeatable(operation.name)) return link;
    // On a dead connection its outcome would be unknown.
    link.probe();
    return undefined;
  }

  #dispatch(pending: Pending): void {
    const link = this.#readyFor(pending);
    if (link) {
      this.#send(link, pending);
      return;
    }
    pending.state = 'waiting';
    this.#waiting.add(pending);
    if (!this.#link && !this.#connecting) this.#startReconnect();
  }

  #send(link: Link, pending: Pending): void {
    pending.state = 'sent';
    pending.attempts++;
    this.#sent++;
    link.send(pending.frame);
  }

  #sendWaiting(): void {
    for (const pending of this.#waiting) {
      const link = this.#readyFor(pending);
      if (!link) return;
      this.#waiting.delete(pending);
      this.#send(link, pending);
    }
  }

  /** Removes a request that is answered or given up. */
  #settle(pending: Pending): void {
    this.#inFlight.delete(pending);
    // It may contain a plaintext. ws has sent a masked copy.
    pending.frame.fill(0);
    this.#leave(pending);
    if (this.#inFlight.size === 0) this.#drained?.();
  }

  #leave(pending: Pending): void {
    if (pending.state === 'sent') this.#sent--;
    else this.#waiting.delete(pending);
    if (this.#waiting.size > 0) this.#sendWaiting();
  }

  #fail(pending: Pending, error: unknown): void {
    this.#settle(pending);
    pending.reject(error);
  }

  #receive(link: Link, frame: Buffer): void {
    let response: DecodedResponse;
    try {
      response = decodeResponse(frame);
    } catch (error) {
      link.giveUp(error as Error);
      return;
    }
    const pending = this.#inFlight.get(response.id);
    // Otherwise the request was given up.
    if (pending?.state === 'sent') this.#answer(link, pending, response);
    // The daemon could not read a frame and closes.
    else if (response.id === 0 && 'error' in response) this.#complaint = response.error;
  }

  #answer(link: Link, pending: Pending, response: DecodedResponse): void {
    if ('error' in response) {
      this.#refuse(pending, response.error);
    } else if (response.operation !== pending.operation.name) {
      link.giveUp(new Error(`The reply to ${pending.operation.name} was one to ${response.operation}.`));
    } else {
      this.#settle(pending);
      const { message, requestId } = response;
      Object.defineProperty(message, 'requestId', { value: requestId });
      pending.resolve(message);
    }
  }

  #refuse(pending: Pending, error: ServiceError): void {
    const delay = (error.retryAfter ?? 0) + backoff(pending.attempts - 1);
    if (
      pending.attempts >= this.#settings.maxAttempts ||
      !mayRetry(pending.operation.name, error) ||
      performance.now() + delay >= pending.expires
    ) {
      this.#fail(pending, error);
      return;
    }
    this.#leave(pending);
    pending.state = 'paused';
    this.#tellOfRetry(pending, delay, error);
    setTimeout(() => {
      if (this.#inFlight.get(pending.id) === pending) this.#dispatch(pending);
    }, delay);
  }

  #tellOfRetry({ operation, attempts }: Pending, delay: number, error: Error): void {
    this.#events.emit('retry', { operation: operation.name, attempts, delay, error });
  }

  #expire(pending: Pending): void {
    const { name } = pending.operation;
    const unsent = pending.state === 'waiting' ? this.#connectFailure : undefined;
    // Probe first, so that nothing else is sent over a connection that may be dead.
    if (pending.state === 'sent') this.#link?.probe();
    this.#fail(pending, unsent ?? new TimeoutError(`No reply to ${name} came in time.`));
  }

  #attach(link: Link): void {
    this.#link = link;
    this.#connectFailure = undefined;
    this.#complaint = undefined;
    this.#events.emit('connect', { url: this.#url });
    this.#sendWaiting();
  }

  /** Handles the loss of a connection: its requests are sent again, or fail. */
  #lose(link: Link, why: Error): void {
    if (link !== this.#link) return;
    this.#link = undefined;
    const cause = this.#complaint ?? why;
    const later = [...this.#waiting];
    this.#waiting.clear();
    if (!this.#closing) this.#events.emit('disconnect', { url: this.#url, error: cause });
    for (const pending of [...this.#inFlight.values()].filter(({ state }) => state === 'sent')) {
      const { operation, attempts } = pending;
      if (!isRepeatable(operation.name) && !(why instanceof GoneAway)) {
        this.#fail(pending, outcomeUnknown(this.#url, operation.name, cause));
      } else if (attempts >= this.#settings.maxAttempts) {
        this.#fail(pending, connectionLost(this.#url, operation.name, attempts, cause));
      } else {
        this.#sent--;
        pending.state = 'waiting';
        this.#waiting.add(pending);
        this.#tellOfRetry(pending, 0, cause);
      }
    }
    for (const pending of later) this.#waiting.add(pending);
    if (this.#waiting.size > 0 && !this.#connecting) this.#startReconnect();
  }

  async #openLink(signal?: AbortSignal): Promise<Link> {
    const handlers = {
      onFrame: (link: Link, frame: Buffer) => this.#receive(link, frame),
      onProven: () => this.#sendWaiting(),
      onDown: (link: Link, why: Error) => this.#lose(link, why),
      isAwaited: () => this.#sent > 0,
    };
    const link = new Link(await openSocket(this.#settings, signal), handlers, this.#liveness);
    if (link.isOpen) return link;
    throw notConnected(this.#settings.endpoint, 'it ended the connection at once');
  }

  #startReconnect(): void {
    this.#reconnect().catch((error: unknown) => {
      this.#connecting = false;
      for (const pending of this.#waiting) this.#fail(pending, error);
    });
  }

  async #reconnect(): Promise<void> {
    this.#connecting = true;
    for (let attempt = 0; this.#waiting.size > 0; attempt++) {
      try {
        const link = await this.#openLink();
        this.#connecting = false;
        if (this.#closing && this.#inFlight.size === 0) await link.close();
        else this.#attach(link);
        return;
      } catch (error) {
        const failure = error as Error & { retryable?: boolean };
        this.#connectFailure = failure;
        // The same credentials or certificates would be refused again.
        if (!failure.retryable) for (const pending of this.#waiting) this.#fail(pending, failure);
      }
      if (this.#waiting.size > 0) await sleep(backoff(attempt));
    }
    this.#connecting = false;
  }
}
