// What one decision may cost. All requests share one thread, so a decision that takes long delays everybody. Policies, patterns
// and values come from different people, and no limit on one of them alone bounds the product.
import { PolicyError } from '../errors.js';

/** Steps of one decision. A step takes 2 to 3 ns: one unit of a value that one pattern is compared with. */
const mostSteps = 3_000_000;

/** Outside a decision nothing is counted. A typed array, because writing a number to it allocates nothing. */
const left = new Float64Array([Infinity]);

/** Runs a decision, which is synchronous. @throws PolicyError (access-denied) where it would take too long */
export function bounded<T>(decision: () => T): T {
  left[0] = mostSteps;
  try {
    return decision();
  } finally {
    left[0] = Infinity;
  }
}

/**
 * Counts work before it is done.
 * @throws PolicyError (access-denied), and not an error that clients retry: what cannot be decided is not allowed
 */
export function spend(steps: number): void {
  left[0]! -= steps;
  if (left[0]! >= 0) return;
  throw new PolicyError(
    'access-denied',
    'The request is not allowed, because its values are too long or too many for the conditions of the policies that apply to ' +
      'it. Shorten its encryption context or user agent, or use fewer wildcards in the conditions.',
  );
}
