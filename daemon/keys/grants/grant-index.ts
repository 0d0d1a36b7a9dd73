import type { StringMap } from '../../../proto/generated/messages.js';
import { type Constraint, includesAll, pairsOf, takesContext } from './grant-constraints.js';
import type { Grant } from './grant.js';

/**
 * The grants that allow one operation with one key to one grantee. Programs create a grant for each of their resources, and
 * these grants differ only in the encryption context. They are indexed by encryption-context pair, so a request is never
 * compared with all of them.
 */
export class GrantsOfUse {
  /** Each grant is in one cell, named by its constraint or by one pair of it. */
  readonly #cells = new Map<string, Set<Grant>>();
  readonly #hasContext: boolean;

  /** @param operation as CreateGrant names it */
  constructor(operation: string) {
    this.#hasContext = takesContext(operation) || operation === 'CreateGrant';
  }

  /** Adds a grant. */
  add(grant: Grant): void {
    const cells = this.#cellsOf(grant.constraint);
    // The smallest cell is used, because a pair that all grants share would collect them all in one cell.
    const size = (cell: string) => this.#cells.get(cell)?.size ?? 0;
    const cell = cells.reduce((best, each) => (size(each) < size(best) ? each : best));
    const grants = this.#cells.get(cell);
    if (grants) grants.add(grant);
    else this.#cells.set(cell, new Set([grant]));
  }

  /** Removes a grant. @returns whether it was the last one */
  delete(grant: Grant): boolean {
    for (const cell of this.#cellsOf(grant.constraint)) {
      const grants = this.#cells.get(cell);
      if (grants?.delete(grant) && grants.size === 0) this.#cells.delete(cell);
    }
    return this.#cells.size === 0;
  }

  /**
   * Finds a grant that allows a request.
   * @param context the request's encryption context; for CreateGrant, the pairs of the new grant's constraint
   * @param suits further conditions on the grant
   */
  find(context: StringMap | undefined, suits: (grant: Grant) => boolean): Grant | undefined {
    const free = this.#first(unconstrained, suits);
    if (free || context === undefined || !this.#hasContext) return free;
    const pairs = pairsOf(context);
    const equal = this.#first(equalsCell(pairs), suits);
    if (equal) return equal;
    const hasPairs = (grant: Grant) => includesAll(context, grant.constraint?.pairs ?? []) && suits(grant);
    for (const [name, value] of pairs) {
      const found = this.#first(subsetCell(name, value), hasPairs);
      if (found) return found;
    }
    return undefined;
  }

  #first(cell: string, suits: (grant: Grant) => boolean): Grant | undefined {
    for (const grant of this.#cells.get(cell) ?? []) if (suits(grant)) return grant;
    return undefined;
  }

  /** The cells in which a grant with this constraint may be. */
  #cellsOf(constraint: Constraint | undefined): string[] {
    if (!constraint || !this.#hasContext) return [unconstrained];
    const { type, pairs } = constraint;
    if (type === 'EncryptionContextEquals') return [equalsCell(pairs)];
    return pairs.map(([name, value]) => subsetCell(name, value));
  }
}

const unconstrained = '';

function equalsCell(pairs: readonly (readonly [string, string])[]): string {
  return `equals ${JSON.stringify(pairs)}`;
}

function subsetCell(name: string, value: string): string {
  return `has ${JSON.stringify([name, value])}`;
}
