// A connection on which another Region asks.
import type { RawData, WebSocket } from 'ws';
import { exceptions, ServiceError } from '../../../proto/errors.js';
import type { Logger } from '../../observability/log.js';
import { type PeerHandler, largestMessage, mostInFlight } from '../peer.js';
import { closeCodes, encodeAnswer, encodeRefusal, fits, readRequest, type RegionRequest } from './frames.js';
import { keepAlive } from './keep-alive.js';
import type { RegionTimes } from './times.js';

/** Bytes of unread answers above which nothing more is read from the peer. */
const maxUnread = 1024 * 1024;

/** Dependencies of a connection. */
export interface InboundDeps {
  readonly handler: PeerHandler;
  readonly times: RegionTimes;
  readonly log: Logger;
}

/** A connection of another Region. Its requests run concurrently and are answered as they finish. */
export class InboundConnection {
  #inFlight = 0;
  #isClosing = false;

  /** @param region authenticated by its pinned certificate */
  constructor(
    private readonly webSocket: WebSocket,
    readonly region: string,
    readonly generation: number,
    private readonly deps: InboundDeps,
  ) {
    webSocket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    // A frame that is too large or violates RFC 6455; ws has already sent the close code.
    webSocket.on('error', (error) =>
      deps.log.warn({ err: error, region }, 'a connection from another Region failed'),
    );
    keepAlive(webSocket, deps.times.ping);
  }

  /** Takes no new requests, answers those in flight and closes. What is open after the time-out is terminated. */
  drain(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (this.#inFlight === 0) this.#close(closeCodes.goingAway, 'replaced or stopping');
    const late = setTimeout(() => this.terminate(), this.deps.times.drain).unref();
    this.webSocket.once('close', () => clearTimeout(late));
  }

  /** Ends the connection at once. */
  terminate(): void {
    this.webSocket.terminate();
  }

  #receive(data: RawData, isBinary: boolean): void {
    const request = isBinary ? undefined : readRequest(data);
    if (request) {
      this.#answer(request).catch((error: unknown) => this.#fail(error));
      return;
    }
    this.deps.log.warn(
      { region: this.region },
      'another Region sent what is no request; its connection was closed',
    );
    this.#isClosing = true;
    if (isBinary) this.#close(closeCodes.unsupportedData, 'messages are text');
    else this.#close(closeCodes.invalidPayload, 'not a request');
  }

  async #answer({ id, name, body }: RegionRequest): Promise<void> {
    if (this.#isClosing || this.#inFlight >= mostInFlight) {
      const reason = this.#isClosing ? 'The connection is being closed.' : tooMany;
      this.#send(encodeRefusal(id, new exceptions.ThrottlingException(reason)));
      return;
    }
    this.#inFlight += 1;
    let answer: string;
    try {
      answer = encodeAnswer(id, await this.deps.handler(this.region, name, body));
      if (!fits(answer))
        throw new exceptions.KMSInternalException(
          `The answer is larger than ${largestMessage} bytes, which is the limit.`,
        );
    } catch (error) {
      const refusal = error instanceof ServiceError ? error : internal(error);
      const details = { region: this.region, name, code: refusal.code, err: refusal.cause };
      this.deps.log[refusal.cause === undefined ? 'info' : 'warn'](
        details,
        'a request of another Region was refused',
      );
      answer = encodeRefusal(id, refusal);
    } finally {
      this.#inFlight -= 1;
    }
    this.#send(answer);
    if (this.#isClosing && this.#inFlight === 0) this.#close(closeCodes.goingAway, 'replaced or stopping');
  }

  #send(frame: string): void {
    const { webSocket } = this;
    if (webSocket.readyState !== webSocket.OPEN) return;
    webSocket.send(frame, () => {
      // An error ends the connection, and 'close' follows.
      if (webSocket.isPaused && webSocket.bufferedAmount < maxUnread / 2) webSocket.resume();
    });
    if (webSocket.bufferedAmount > maxUnread) webSocket.pause();
  }

  #close(code: number, reason: string): void {
    this.webSocket.close(code, reason);
  }

  #fail(error: unknown): void {
    const { region } = this;
    this.deps.log.error(
      { err: error, region },
      'a request of another Region could not be answered; its connection was closed',
    );
    this.terminate();
  }
}

const tooMany = `At most ${mostInFlight} requests may be in flight on a connection.`;

function internal(cause: unknown): ServiceError {
  const message = 'An internal error occurred. See the log of the daemon.';
  return new ServiceError('KMSInternalException', message, { cause });
}
