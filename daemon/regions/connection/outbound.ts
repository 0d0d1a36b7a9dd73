// A connection on which this Region asks another one.
import type { RawData, WebSocket } from 'ws';
import { largestMessage, mostInFlight, PeerError } from '../peer.js';
import { closeCodes, encodeRequest, fits, readAnswer } from './frames.js';
import { keepAlive } from './keep-alive.js';
import type { RegionTimes } from './times.js';

interface Pending {
  /** The encoded request. */
  readonly frame: string;
  readonly resolve: (body: unknown) => void;
  readonly reject: (error: PeerError) => void;
  readonly late: NodeJS.Timeout;
}

/** An open connection to another Region. */
export class OutboundConnection {
  /** Requests that were sent, by ID. */
  readonly #sent = new Map<number, Pending>();
  /** Requests that wait until fewer are in flight, by ID. */
  readonly #waiting = new Map<number, Pending>();
  #lastId = 0;
  #isDraining = false;
  #fault: string | undefined;

  /** @param closed called once, with the reason, when the connection can no longer be used */
  constructor(
    private readonly webSocket: WebSocket,
    private readonly region: string,
    readonly generation: number,
    private readonly times: RegionTimes,
    closed: (reason: string) => void,
  ) {
    webSocket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    webSocket.on('error', (error) => (this.#fault ??= error.message));
    webSocket.once('close', (code, reason) => {
      const why =
        this.#fault ??
        `the connection was closed (${code}${reason.length > 0 ? `, ${reason.toString()}` : ''})`;
      this.#end(why);
      closed(why);
    });
    keepAlive(webSocket, times.ping);
  }

  /** Whether requests can be sent. */
  get isOpen(): boolean {
    return !this.#isDraining && this.webSocket.readyState === this.webSocket.OPEN;
  }

  /**
   * Sends a request and waits for the answer.
   * @throws PeerError
   */
  request(name: string, body: unknown): Promise<unknown> {
    const id = ++this.#lastId;
    const frame = encodeRequest({ id, name, body });
    if (!fits(frame))
      return Promise.reject(
        new PeerError(
          'refused',
          this.region,
          `The request ${name} is larger than ${largestMessage} bytes, which is the limit.`,
          'ValidationException',
        ),
      );
    if (!this.isOpen) return Promise.reject(this.#unreachable('the connection was closed'));
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#expire(id), this.times.request).unref();
      this.#waiting.set(id, { frame, resolve, reject, late });
      this.#sendWaiting();
    });
  }

  /** Takes no new requests and closes when those in flight are answered, or after the time-out. */
  drain(): void {
    this.#isDraining = true;
    this.#closeIfDone();
    const late = setTimeout(() => this.terminate(), this.times.drain).unref();
    this.webSocket.once('close', () => clearTimeout(late));
  }

  /** Ends the connection at once. */
  terminate(): void {
    this.webSocket.terminate();
  }

  #sendWaiting(): void {
    for (const [id, pending] of this.#waiting) {
      if (this.#sent.size >= mostInFlight) return;
      this.#waiting.delete(id);
      this.#sent.set(id, pending);
      // An error ends the connection, and 'close' follows.
      this.webSocket.send(pending.frame, () => undefined);
    }
  }

  #receive(data: RawData, isBinary: boolean): void {
    const answer = isBinary ? undefined : readAnswer(data);
    if (!answer) {
      this.#fault = 'the Region sent what is no answer';
      this.webSocket.close(closeCodes.invalidPayload, 'not an answer');
      // A peer that does not close its end is not waited for.
      setTimeout(() => this.terminate(), this.times.handshake).unref();
      return;
    }
    // The answer to a request whose time is over is of no use any more.
    const pending = this.#take(this.#sent, answer.id);
    if (!pending) return;
    if ('error' in answer)
      pending.reject(new PeerError('refused', this.region, answer.error.message, answer.error.code));
    else pending.resolve(answer.body);
    this.#sendWaiting();
    this.#closeIfDone();
  }

  #expire(id: number): void {
    const seconds = this.times.request / 1000;
    const sent = this.#take(this.#sent, id);
    sent?.reject(this.#unknown(`it did not answer within ${seconds} s`));
    this.#take(this.#waiting, id)?.reject(
      this.#unreachable(`it did not answer earlier requests within ${seconds} s`),
    );
    this.#sendWaiting();
    this.#closeIfDone();
  }

  #end(why: string): void {
    for (const id of this.#sent.keys()) this.#take(this.#sent, id)?.reject(this.#unknown(why));
    for (const id of this.#waiting.keys()) this.#take(this.#waiting, id)?.reject(this.#unreachable(why));
  }

  #take(from: Map<number, Pending>, id: number): Pending | undefined {
    const pending = from.get(id);
    if (!pending) return undefined;
    from.delete(id);
    clearTimeout(pending.late);
    return pending;
  }

  #closeIfDone(): void {
    if (this.#isDraining && this.#sent.size + this.#waiting.size === 0)
      this.webSocket.close(closeCodes.goingAway, 'replaced or stopping');
  }

  #unreachable(why: string): PeerError {
    return new PeerError('unreachable', this.region, `The Region ${this.region} cannot be reached: ${why}.`);
  }

  #unknown(why: string): PeerError {
    return new PeerError(
      'unknown',
      this.region,
      `The Region ${this.region} did not answer, and may have done what it was asked: ${why}.`,
    );
  }
}
