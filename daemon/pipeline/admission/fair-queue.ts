// Fair queueing: round-robin across principals. Each principal has a queue, so a request waits for other principals'
// requests only while they are being executed. While several principals are active, each may execute only a few at a time.
import { exceptions } from '../../../proto/errors.js';
import { Tally } from '../../observability/metrics/distribution.js';
import type { AnyOperation } from '../operation.js';
import { Slots } from './slots.js';
import { Buckets, type Quotas } from './rate-limits.js';

/** Limits of admission. */
export interface AdmissionLimits {
  /** Requests that are executed at the same time. */
  readonly executing: number;
  /** Of these, requests of one principal while others are active too. */
  readonly executingBesideOthers: number;
  /** Requests of one principal that are executed or wait, on all of its connections. */
  readonly inFlightPerPrincipal: number;
}

/** Milliseconds that a principal with too many requests in flight is told to wait. */
const retryAfter = 50;

/** Principals that are kept in memory. Above that number, those without requests in flight are forgotten. */
const remembered = 10_000;

/**
 * Milliseconds after which a request that is still executing no longer holds a slot. In effect it may take up to twice as
 * long.
 */
const longestTurn = 100;

/** Length of an activity window in milliseconds. A principal counts as active in the window of a request and in the next. */
const attention = 1_000;

interface Principal {
  readonly buckets: Buckets;
  inFlight: number;
  readonly executing: Slots;
  readonly waiting: (() => void)[];
  /** Index of the activity window of its last request. */
  asked: number;
}

/** An admitted request. */
export interface Ticket {
  readonly principal: Principal;
  /** Resolves when its turn comes; undefined if it need not wait. */
  readonly turn: Promise<void> | undefined;
  /** The generation in which it began. */
  generation: number;
}

/** Admits requests, fairly across principals. */
export class Admission {
  /** Refused requests, by reason. */
  readonly throttled = new Tally(['quota', 'in-flight']);
  readonly #principals = new Map<string, Principal>();
  /** Principals with waiting requests, in round-robin order. */
  readonly #turns: Principal[] = [];
  readonly #executing = new Slots();
  /** Index of the current generation. It advances only while requests wait. */
  #generation = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Index of the current activity window, and how many principals were active in it and in the one before. */
  #attention = 0;
  #asking = 0;
  #askedBefore = 0;

  constructor(
    private readonly quotas: Quotas,
    private readonly limits: AdmissionLimits,
  ) {}

  /** How many requests are being executed, without the long-running ones. */
  get executing(): number {
    return this.#executing.taken(this.#generation);
  }

  /** How many requests wait for their turn. */
  get waiting(): number {
    return this.#turns.reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /**
   * Admits a request. Every admitted request must {@link leave}.
   * @param id unique id of a user or role, or the account
   * @throws ThrottlingException above a quota, or with too many requests in flight
   */
  enter(id: string, operation: AnyOperation): Ticket {
    const principal = this.#principals.get(id) ?? this.#remember(id);
    if (principal.inFlight >= this.limits.inFlightPerPrincipal) {
      this.throttled.add('in-flight');
      throw new exceptions.ThrottlingException(
        `At most ${this.limits.inFlightPerPrincipal} requests of a principal may be in flight.`,
        { retryAfter },
      );
    }
    const now = performance.now();
    this.#take(principal, operation, now);
    this.#notice(principal, Math.floor(now / attention));
    principal.inFlight += 1;
    if (principal.waiting.length === 0 && this.#hasPlace() && this.#hasShare(principal)) {
      this.#begin(principal);
      return { principal, turn: undefined, generation: this.#generation };
    }
    if (principal.waiting.length === 0) this.#turns.push(principal);
    this.#timer ??= setInterval(() => this.#nextGeneration(), longestTurn).unref();
    const turn = new Promise<void>((begin) => {
      principal.waiting.push(() => {
        this.#begin(principal);
        ticket.generation = this.#generation;
        begin();
      });
    });
    const ticket: Ticket = { principal, turn, generation: 0 };
    return ticket;
  }

  /** Ends an admitted request, and gives its slot to the next. */
  leave({ principal, generation }: Ticket): void {
    principal.inFlight -= 1;
    principal.executing.free(generation, this.#generation);
    this.#executing.free(generation, this.#generation);
    this.#giveTurns();
  }

  #take({ buckets }: Principal, operation: AnyOperation, now: number): void {
    try {
      buckets.take(this.quotas.of(operation), now);
    } catch (error) {
      this.throttled.add('quota');
      throw error;
    }
  }

  #hasPlace(): boolean {
    return this.#executing.taken(this.#generation) < this.limits.executing;
  }

  #hasShare({ executing }: Principal): boolean {
    const isAlone = Math.max(this.#asking, this.#askedBefore) <= 1;
    return isAlone || executing.taken(this.#generation) < this.limits.executingBesideOthers;
  }

  #begin({ executing }: Principal): void {
    executing.take(this.#generation);
    this.#executing.take(this.#generation);
  }

  /**
   * Starts waiting requests while there are slots: in round-robin order, of principals that have not used up their share.
   */
  #giveTurns(): void {
    while (this.#turns.length > 0 && this.#hasPlace()) {
      const at = this.#turns.findIndex((each) => this.#hasShare(each));
      if (at < 0) return;
      const [next] = this.#turns.splice(at, 1) as [Principal];
      const begin = next.waiting.shift()!;
      if (next.waiting.length > 0) this.#turns.push(next);
      begin();
    }
  }

  #nextGeneration(): void {
    if (this.#turns.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#generation += 1;
    this.#giveTurns();
  }

  /** @param attention index of the current activity window */
  #notice(principal: Principal, attention: number): void {
    if (attention !== this.#attention) {
      this.#askedBefore = attention === this.#attention + 1 ? this.#asking : 0;
      this.#asking = 0;
      this.#attention = attention;
    }
    if (principal.asked === attention) return;
    principal.asked = attention;
    this.#asking += 1;
  }

  #remember(id: string): Principal {
    if (this.#principals.size >= remembered) {
      for (const [each, { inFlight }] of this.#principals) if (inFlight === 0) this.#principals.delete(each);
    }
    const principal: Principal = {
      buckets: new Buckets(this.quotas),
      inFlight: 0,
      executing: new Slots(),
      waiting: [],
      asked: -1,
    };
    this.#principals.set(id, principal);
    return principal;
  }
}
