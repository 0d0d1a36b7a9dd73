import { setImmediate } from 'node:timers';
import type { OperationShape } from '../../proto/schema/descriptor.js';

/** A request without a response. */
export interface Pending {
  readonly id: number;
  readonly operation: OperationShape;
  /** Kept to be sent again. */
  readonly frame: Uint8Array;
  /** On the clock of performance.now(). */
  readonly expires: number;
  readonly resolve: (message: Record<string, unknown>) => void;
  readonly reject: (error: unknown) => void;
  /** `waiting`: to be sent; `paused`: before a repetition. */
  state: 'waiting' | 'sent' | 'paused';
  attempts: number;
  /** Removes the listener from the request's signal. */
  release: (() => void) | undefined;
}

/** The unanswered requests of a client by ID, with one timer for all their deadlines. */
export class InFlight {
  readonly #byId = new Map<number, Pending>();
  readonly #onExpired: (pending: Pending) => void;
  #lastId = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerDue = Infinity;

  /** @param onExpired called once a request's time is over; it removes the request */
  constructor(onExpired: (pending: Pending) => void) {
    this.#onExpired = onExpired;
  }

  /** How many requests are unanswered. */
  get size(): number {
    return this.#byId.size;
  }

  /** An ID that no unanswered request has, from 1 to 2^32 − 1. */
  newId(): number {
    do this.#lastId = this.#lastId === 0xffffffff ? 1 : this.#lastId + 1;
    while (this.#byId.has(this.#lastId));
    return this.#lastId;
  }

  /** Adds a request, under an ID that no other has. */
  add(pending: Pending): void {
    this.#byId.set(pending.id, pending);
    if (pending.expires < this.#timerDue) this.#arm(pending.expires);
  }

  /** The request of an ID, unless it is answered or was given up. */
  get(id: number): Pending | undefined {
    return this.#byId.get(id);
  }

  /** Removes a request, and its listener from its signal. */
  delete(pending: Pending): void {
    this.#byId.delete(pending.id);
    pending.release?.();
  }

  /** All of them, the oldest first. */
  values(): IterableIterator<Pending> {
    return this.#byId.values();
  }

  // The timer is not moved when requests are answered, as nearly all are; it then finds nothing to do.
  #arm(due: number): void {
    clearTimeout(this.#timer);
    this.#timerDue = due;
    const delay = Math.min(Math.max(0, due - performance.now()), 0x7fffffff);
    // After the poll phase, so that responses that have arrived still count, however late this process runs.
    this.#timer = setTimeout(() => setImmediate(() => this.#sweep()), Math.ceil(delay)).unref();
  }

  #sweep(): void {
    const now = performance.now();
    this.#timerDue = Infinity;
    let next = Infinity;
    for (const pending of this.#byId.values()) {
      if (pending.expires <= now) this.#onExpired(pending);
      else next = Math.min(next, pending.expires);
    }
    if (next < this.#timerDue) this.#arm(next);
  }
}
