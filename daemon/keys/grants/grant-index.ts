import type { StringMap } from '../../../proto/generated/messages.js';
import { type Constraint, includesAll, pairsOf, takesContext } from './grant-constraints.js';
import type { Grant } from './grant.js';

/**
 * The grants that allow one operation with one key to one grantee. Programs create a grant for each of their resources, and
 * these grants differ only in the encryption context. They are indexed by encryption-context pair, so a request is never
 * compared with all of them.
 */
export class GrantsOfUse {
  /** By cell: where a request finds them. */
  readonly #cells = new Map<string, Set<Grant>>();
  readonly #hasContext: boolean;

  /** @param operation as CreateGrant names it */
  constructor(operation: string) {
    this.#hasContext = takesContext(operation) || operation === 'CreateGrant';
  }

  add(grant: Grant): void {
    const cells = this.#cellsOf(grant.constraint);
    // A pair that all grants share would gather them all in one cell.
    const size = (cell: string) => this.#cells.get(cell)?.size ?? 0;
    const cell = cells.reduce((best, each) => (size(each) < size(best) ? each : best));
    const grants = this.#cells.get(cell);
    if (grants) grants.add(grant);
    else this.#cells.set(cell, new Set([grant]));
  }

  /** @returns whether it was the last */
  delete(grant: Grant): boolean {
    for (const cell of this.#cellsOf(grant.constraint)) {
      const grants = this.#cells.get(cell);
      if (grants?.delete(grant) && grants.size === 0) this.#cells.delete(cell);
    }
    return this.#cells.size === 0;
  }

  /**
   * @param context of the request; of CreateGrant the pairs of the new grant's constraint
   * @param suits what else must hold
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

  /** The cells for a grant with a constraint. */
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
