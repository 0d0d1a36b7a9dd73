import { IdentityError } from '../errors.js';
import { type Exceeded, type Holder, type Share, type ShareLimits, Shares } from '../shares.js';

/** A signature that was seen. */
interface Seen {
  readonly expiry: number;
  /** Name of the share that it is counted in. */
  readonly holder: string;
}

/** Signatures seen within the time window. Each can open only one connection. */
export class Replays {
  readonly #seen = new Map<string, Seen>();
  readonly #shares: Shares;
  /** Open shares by holder. */
  readonly #open = new Map<string, Share>();

  /**
   * @param window milliseconds for which a signature must be remembered
   * @param limits limits of the number of remembered signatures
   */
  constructor(
    private readonly window: number,
    limits: ShareLimits,
  ) {
    this.#shares = new Shares(limits);
  }

  /**
   * Remembers a valid signature.
   * @param now epoch milliseconds
   * @throws IdentityError (invalid-signature) if it was seen before; (throttled) if its holder, or all holders, have opened
   * too   many connections within the window
   */
  claim(signature: string, now: number, holder: Holder): void {
    this.#forget(now);
    if (this.#seen.has(signature)) {
      throw new IdentityError(
        'invalid-signature',
        'This signature was used before: make a new signature for each connection.',
      );
    }
    const name = `${holder.principal} ${holder.source}`;
    const share = this.#open.get(name) ?? this.#shares.open(holder);
    const exceeded = share.take(1);
    if (share.held > 0) this.#open.set(name, share);
    else share.close();
    if (exceeded !== undefined) throw new IdentityError('throttled', this.#tooMany(exceeded));
    this.#seen.set(signature, { expiry: now + this.window, holder: name });
  }

  /** Forgets the signatures whose window has passed, which are the oldest entries. */
  #forget(now: number): void {
    for (const [old, { expiry, holder }] of this.#seen) {
      if (expiry > now) return;
      this.#seen.delete(old);
      const share = this.#open.get(holder);
      share?.add(-1);
      if (share?.held !== 0) continue;
      share.close();
      this.#open.delete(holder);
    }
  }

  #tooMany(exceeded: Exceeded): string {
    const { perPrincipal, perSource, total, reservedForRoot } = this.#shares.limits;
    const sentences: Readonly<Record<Exceeded, string>> = {
      principal: `This principal has opened ${perPrincipal} connections within ten minutes, which is the limit (limits.upgradesPerPrincipal)`,
      source: `This address has opened ${perSource} connections within ten minutes, which is the limit (limits.upgradesPerSource)`,
      total: `${total - reservedForRoot} connections were opened within ten minutes, which is the limit (limits.upgrades)`,
    };
    return `${sentences[exceeded]}: keep connections open and reuse them.`;
  }
}
