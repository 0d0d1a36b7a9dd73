// Limits the memory of requests, from the first byte that is read until the answer is sent. While the HSM is slow, nothing
// else would keep them from filling the memory.
import { exceptions, type ServiceError } from '../../proto/errors.js';
import type { Config } from '../config/schema.js';
import { fitting, type Holder, type Share, type ShareLimits, Shares } from '../identity/shares.js';

/** Limits in bytes. */
export interface MemoryLimits {
  /** On authenticated connections. */
  readonly authenticated: ShareLimits;
  /** On all other connections together. */
  readonly unauthenticated: number;
}

/** Reads the limits from the configuration. */
export function memoryLimitsOf(limits: Config['limits']): MemoryLimits {
  const { requestBytes: total, requestBytesPerPrincipal: perPrincipal } = limits;
  return {
    authenticated: fitting({
      total,
      perPrincipal,
      perSource: total,
      reservedForRoot: Math.floor(total / 16),
    }),
    // At least one body must fit, or no client could authenticate.
    unauthenticated: Math.max(limits.unauthenticatedRequestBytes, limits.bodyBytes),
  };
}

/** Counts the memory of all requests. */
export class RequestMemory {
  readonly #shares: Shares;
  /** Requests of unauthenticated connections that are being read and use memory, the oldest first. */
  readonly #reading = new Set<Lease>();
  #unauthenticated = 0;

  constructor(private readonly limits: MemoryLimits) {
    this.#shares = new Shares(limits.authenticated);
  }

  /** Bytes in use. */
  get held(): number {
    return this.#unauthenticated + this.#shares.held;
  }

  /** Opens the share of an authenticated connection. It must be retired when the connection closes. */
  open(holder: Holder): Share {
    return this.#shares.open(holder);
  }

  /** Marks a request as read: from now on it is not ended to make room. */
  read(lease: Lease): void {
    this.#reading.delete(lease);
  }

  /**
   * Takes memory for a request of an unauthenticated connection. If there is not enough, the request that has been read for
   * the longest time is ended: a client that sends its body without pauses is done long before.
   * @param amount in bytes
   * @returns whether there was enough
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

  /** Gives back memory that {@link takeUnauthenticated} took. @param amount in bytes */
  giveBackUnauthenticated(amount: number): void {
    this.#unauthenticated -= amount;
  }
}

/** The memory of one request and its answer. */
export class Lease {
  /** Ends the request while it is being read; undefined afterwards. */
  end: (() => void) | undefined;
  #held = 0;
  #isAnswered = false;
  #hasLeft = false;

  /** @param share the share of the connection; undefined until it is authenticated */
  constructor(
    private readonly memory: RequestMemory,
    private share: Share | undefined,
  ) {}

  /** Takes memory for data that was read. @param amount in bytes @returns whether there was enough */
  take(amount: number): boolean {
    const taken = this.share
      ? this.share.take(amount) === undefined
      : this.memory.takeUnauthenticated(this, amount);
    if (taken) this.#held += amount;
    return taken;
  }

  /** Counts the bytes of an answer, even over the limits: a finished operation is always answered. @param amount in bytes */
  add(amount: number): void {
    if (!this.share) return;
    this.share.add(amount);
    this.#held += amount;
  }

  /**
   * Moves the memory to the share of a connection that has been authenticated.
   * @throws ThrottlingException if the principal, or all together, use too much
   */
  authenticate(share: Share): void {
    if (this.share) return;
    if (share.take(this.#held) !== undefined) throw tooMuchMemory();
    this.memory.giveBackUnauthenticated(this.#held);
    this.share = share;
  }

  /** Gives back all memory of the request. */
  drop(): void {
    this.memory.read(this);
    if (this.share) this.share.add(-this.#held);
    else this.memory.giveBackUnauthenticated(this.#held);
    this.#held = 0;
  }

  /**
   * Marks the request as answered, or as one that never will be. Without authentication the answer is a short error and the
   * memory is given back at once: a client that does not read its answer would keep it from others.
   */
  answered(): void {
    this.#isAnswered = true;
    if (this.#hasLeft || !this.share) this.drop();
  }

  /** Marks the answer as sent, or the connection as closed; the request may still be running. */
  left(): void {
    this.#hasLeft = true;
    if (this.#isAnswered) this.drop();
  }
}

/** Makes the error for a request for which there is not enough memory. */
export function tooMuchMemory(): ServiceError {
  return new exceptions.ThrottlingException(
    'Too many bytes of requests wait for their answers (limits.requestBytes): try again more slowly.',
  );
}
