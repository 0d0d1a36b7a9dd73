// Limits of a resource that principals and sources share, so that none of them uses it up.
import type { Caller } from './caller.js';
import { identityOf } from './caller.js';

/** Limits of a shared resource. */
export interface ShareLimits {
  /** For all holders together. */
  readonly total: number;
  /** For one principal: a user, or a role with all its sessions. The account root may use the total. */
  readonly perPrincipal: number;
  /** For one source, except for the account root. */
  readonly perSource: number;
  /** Part of the total that only the account root may use. */
  readonly reservedForRoot: number;
}

/** The limit that a holder would exceed. */
export type Exceeded = 'principal' | 'source' | 'total';

/** A principal at a source. */
export interface Holder {
  /** As {@link shareNameOf} returns it. */
  readonly principal: string;
  /** As {@link sourceOf} returns it. */
  readonly source: string;
}

/** The share name of the account root. */
export const rootShare = 'root';

/**
 * Returns the name that a caller's share is counted under. Sessions count as their role, because a role can have any
 * number.
 */
export function shareNameOf(caller: Caller): string {
  return identityOf(caller)?.id ?? rootShare;
}

interface Counter {
  held: number;
  /** Open shares that use the counter. */
  users: number;
}

/** Adjusts limits to each other if only some of them were configured: each share is smaller than the total. */
export function fitting({ total, perPrincipal, perSource, reservedForRoot }: ShareLimits): ShareLimits {
  const reserved = Math.min(reservedForRoot, Math.floor(total / 4));
  const rest = total - reserved;
  return {
    total,
    reservedForRoot: reserved,
    perPrincipal: Math.min(perPrincipal, Math.max(1, Math.floor(rest / 2))),
    perSource: Math.min(perSource, Math.max(1, Math.floor((rest * 3) / 4))),
  };
}

/** A shared resource: connections, bytes, remembered signatures. */
export class Shares {
  readonly #principals = new Map<string, Counter>();
  readonly #sources = new Map<string, Counter>();
  readonly #total: Counter = { held: 0, users: 0 };

  constructor(readonly limits: ShareLimits) {}

  /** The amount that all holders have together. */
  get held(): number {
    return this.#total.held;
  }

  /** Opens a share, which must be closed when its holder ends. */
  open({ principal, source }: Holder): Share {
    const byPrincipal = counterOf(this.#principals, principal);
    const bySource = counterOf(this.#sources, source);
    const isRoot = principal === rootShare;
    return new Share(this.limits, isRoot, byPrincipal, bySource, this.#total, () => {
      drop(this.#principals, principal, byPrincipal);
      drop(this.#sources, source, bySource);
    });
  }
}

/** The share of one holder. */
export class Share {
  #own = 0;
  #isOpen = true;
  #isRetired = false;

  constructor(
    private readonly limits: ShareLimits,
    private readonly isRoot: boolean,
    private readonly byPrincipal: Counter,
    private readonly bySource: Counter,
    private readonly all: Counter,
    private readonly closed: () => void,
  ) {}

  /** Takes an amount. @returns the limit that it would exceed; then nothing is taken */
  take(amount: number): Exceeded | undefined {
    const { perPrincipal, perSource, total, reservedForRoot } = this.limits;
    if (!this.isRoot) {
      if (this.byPrincipal.held + amount > perPrincipal) return 'principal';
      if (this.bySource.held + amount > perSource) return 'source';
    }
    if (this.all.held + amount > (this.isRoot ? total : total - reservedForRoot)) return 'total';
    this.add(amount);
    return undefined;
  }

  /** Takes an amount regardless of the limits; a negative amount is given back. No effect once the share is closed. */
  add(amount: number): void {
    if (!this.#isOpen) return;
    this.#own += amount;
    this.byPrincipal.held += amount;
    if (!this.isRoot) this.bySource.held += amount;
    this.all.held += amount;
    if (this.#isRetired && this.#own === 0) this.#finish();
  }

  /** The amount that this holder has. */
  get held(): number {
    return this.#own;
  }

  /** Gives everything back. */
  close(): void {
    if (!this.#isOpen) return;
    this.add(-this.#own);
    this.#finish();
  }

  /** Closes the share as soon as everything was given back. */
  retire(): void {
    this.#isRetired = true;
    if (this.#own === 0) this.#finish();
  }

  #finish(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.closed();
  }
}

function counterOf(counters: Map<string, Counter>, name: string): Counter {
  let found = counters.get(name);
  if (!found) {
    found = { held: 0, users: 0 };
    counters.set(name, found);
  }
  found.users += 1;
  return found;
}

function drop(counters: Map<string, Counter>, name: string, found: Counter): void {
  found.users -= 1;
  if (found.users === 0) counters.delete(name);
}
