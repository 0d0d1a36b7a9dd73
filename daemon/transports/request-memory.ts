// Bounds the bytes that requests hold, from the first byte that is read until the answer has left. While the HSM is slow
// nothing else would keep them from filling the memory.
import { exceptions, type ServiceError } from '../../proto/errors.js';
import type { Config } from '../config/schema.js';
import { fitting, type Holder, type Share, type ShareLimits, Shares } from '../identity/shares.js';

/** Bytes. */
export interface MemoryLimits {
  /** On connections that are authenticated. */
  readonly authenticated: ShareLimits;
  /** On all other connections together. */
  readonly unauthenticated: number;
}

/** The limits as the configuration has them. */
export function memoryLimitsOf(limits: Config['limits']): MemoryLimits {
  const { requestBytes: total, requestBytesPerPrincipal: perPrincipal } = limits;
  return {
    authenticated: fitting({
      total,
      perPrincipal,
      perSource: total,
      reservedForRoot: Math.floor(total / 16),
    }),
    // One body must fit, else nobody could begin.
    unauthenticated: Math.max(limits.unauthenticatedRequestBytes, limits.bodyBytes),
  };
}

export class RequestMemory {
  readonly #shares: Shares;
  /** Requests of unauthenticated connections that are being read and hold bytes, the oldest first. */
  readonly #reading = new Set<Lease>();
  #unauthenticated = 0;

  constructor(private readonly limits: MemoryLimits) {
    this.#shares = new Shares(limits.authenticated);
  }

  /** Bytes that are held. */
  get held(): number {
    return this.#unauthenticated + this.#shares.held;
  }

  /** The share of an authenticated connection; it is retired when the connection closes. */
  open(holder: Holder): Share {
    return this.#shares.open(holder);
  }

  /** A request is read and is not ended any more to make room. */
  read(lease: Lease): void {
    this.#reading.delete(lease);
  }

  /**
   * Takes bytes for a request of an unauthenticated connection. Where there are too many the request that is being read for
   * longest is ended: who sends its body without a break has sent it long before.
   * @returns whether they could be had
   */
  takeUnauthenticated(lease: Lease, amount: number): boolean {
    while (this.#unauthenticated + amount > this.limits.unauthenticated) {
      const [oldest] = this.#reading;
      if (!oldest || oldest === lease) return false;
      this.#reading.delete(oldest);
      oldest.end?.();
    }
    this.#reading.add(lease);
    this.#unauthenticated += amount;
    return true;
  }

  giveBackUnauthenticated(amount: number): void {
    this.#unauthenticated -= amount;
  }
}

/** The bytes of one request and its answer. */
export class Lease {
  /** Ends the request while it is read; undefined once it was read. */
  end: (() => void) | undefined;
  #held = 0;
  #isAnswered = false;
  #hasLeft = false;

  /** @param share of the connection; undefined while it is not authenticated */
  constructor(
    private readonly memory: RequestMemory,
    private share: Share | undefined,
  ) {}

  /** Takes bytes that were read. @returns whether they could be had */
  take(amount: number): boolean {
    const taken = this.share
      ? this.share.take(amount) === undefined
      : this.memory.takeUnauthenticated(this, amount);
    if (taken) this.#held += amount;
    return taken;
  }

  /** Counts the bytes of an answer, whatever the limits say: what is done is told. */
  add(amount: number): void {
    if (!this.share) return;
    this.share.add(amount);
    this.#held += amount;
  }

  /**
   * Moves the bytes to the share of a connection that was authenticated.
   * @throws ThrottlingException where the principal, or all together, hold too many
   */
  authenticate(share: Share): void {
    if (this.share) return;
    if (share.take(this.#held) !== undefined) throw tooMuchMemory();
    this.memory.giveBackUnauthenticated(this.#held);
    this.share = share;
  }

  /** Gives back what was read, where it is dropped. */
  drop(): void {
    this.memory.read(this);
    if (this.share) this.share.add(-this.#held);
    else this.memory.giveBackUnauthenticated(this.#held);
    this.#held = 0;
  }

  /**
   * The request is answered, or will never be. Who is not authenticated was told a short error, and its request is dropped:
   * a client that does not take its answer would keep the room of others.
   */
  answered(): void {
    this.#isAnswered = true;
    if (this.#hasLeft || !this.share) this.drop();
  }

  /** The answer has left, or the connection has closed; the request may still be under way. */
  left(): void {
    this.#hasLeft = true;
    if (this.#isAnswered) this.drop();
  }
}

/** What a request is told for which there is no memory. */
export function tooMuchMemory(): ServiceError {
  return new exceptions.ThrottlingException(
    'Too many bytes of requests wait for their answers (limits.requestBytes): try again more slowly.',
  );
}
