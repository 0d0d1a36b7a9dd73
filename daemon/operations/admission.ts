// Which request's turn it is. What one principal asks at once waits in a queue of its own, and the queues take turns, so
// nobody waits behind another's requests but for those that are being executed.
import { exceptions } from '../../proto/errors.js';
import type { AnyOperation } from './operation.js';
import { Buckets, type Quotas } from './quotas.js';

export interface AdmissionLimits {
  /** Requests that are executed at the same time. */
  readonly executing: number;
  /** Requests of one principal that are executed or wait, on all of its connections. */
  readonly inFlightPerPrincipal: number;
}

/** Milliseconds that a principal is told to wait which has too many requests in flight. */
const retryAfter = 50;

/** Principals that are remembered; past that, those that ask for nothing are forgotten. */
const remembered = 10_000;

/**
 * Milliseconds after which a request that is still being executed keeps no other one waiting: a token that hangs, or RSA
 * keys in the making, must not take all places. It is at most twice as long.
 */
const longestTurn = 100;

interface Principal {
  readonly buckets: Buckets;
  inFlight: number;
  readonly waiting: (() => void)[];
}

/** A request that was let in. */
export interface Ticket {
  readonly principal: Principal;
  /** Where it must wait for its turn. */
  readonly turn: Promise<void> | undefined;
  /** In which it began. */
  generation: number;
}

export class Admission {
  readonly #principals = new Map<string, Principal>();
  /** Those who have requests waiting, in the order of their turns. */
  readonly #turns: Principal[] = [];
  /** Those that began in this generation and in the one before. A generation ends while requests wait. */
  #executing = 0;
  #generation = 0;
  #begun = 0;
  #begunBefore = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly quotas: Quotas,
    private readonly limits: AdmissionLimits,
  ) {}

  /**
   * Counts a request in; each one that is let in must leave.
   * @param id unique id of a user or role, or the account
   * @throws ThrottlingException past a quota, or with too many requests in flight
   */
  enter(id: string, operation: AnyOperation): Ticket {
    const principal = this.#principals.get(id) ?? this.#remember(id);
    if (principal.inFlight >= this.limits.inFlightPerPrincipal) {
      throw new exceptions.ThrottlingException(
        `At most ${this.limits.inFlightPerPrincipal} requests of a principal may be in flight.`,
        { retryAfter },
      );
    }
    principal.buckets.take(this.quotas.of(operation), performance.now());
    principal.inFlight += 1;
    if (this.#executing < this.limits.executing) {
      this.#begin();
      return { principal, turn: undefined, generation: this.#generation };
    }
    if (principal.waiting.length === 0) this.#turns.push(principal);
    this.#timer ??= setInterval(() => this.#nextGeneration(), longestTurn).unref();
    const turn = new Promise<void>((begin) => {
      principal.waiting.push(() => {
        this.#begin();
        ticket.generation = this.#generation;
        begin();
      });
    });
    const ticket: Ticket = { principal, turn, generation: 0 };
    return ticket;
  }

  /** Counts out a request that had its turn, and gives its place to the next. */
  leave({ principal, generation }: Ticket): void {
    principal.inFlight -= 1;
    if (generation === this.#generation) this.#begun -= 1;
    else if (generation === this.#generation - 1) this.#begunBefore -= 1;
    else return;
    this.#executing -= 1;
    this.#giveTurn();
  }

  #begin(): void {
    this.#executing += 1;
    this.#begun += 1;
  }

  /** To whoever waits longest. */
  #giveTurn(): void {
    const next = this.#turns.shift();
    if (!next) return;
    const begin = next.waiting.shift()!;
    if (next.waiting.length > 0) this.#turns.push(next);
    begin();
  }

  #nextGeneration(): void {
    if (this.#turns.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#executing -= this.#begunBefore;
    this.#begunBefore = this.#begun;
    this.#begun = 0;
    this.#generation += 1;
    while (this.#turns.length > 0 && this.#executing < this.limits.executing) this.#giveTurn();
  }

  #remember(id: string): Principal {
    if (this.#principals.size >= remembered) {
      for (const [each, { inFlight }] of this.#principals) if (inFlight === 0) this.#principals.delete(each);
    }
    const principal = { buckets: new Buckets(this.quotas), inFlight: 0, waiting: [] };
    this.#principals.set(id, principal);
    return principal;
  }
}
