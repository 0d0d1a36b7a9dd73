// Limits the cost of a decision. All requests share one thread, so a slow decision delays everybody. Policies, patterns and
// values come from different people, and no limit on one of them alone bounds the product.
import { PolicyError } from '../errors.js';

/** Maximum number of steps of a decision. A step takes 2 to 3 ns: comparing one unit of a value with one pattern. */
const maxSteps = 3_000_000;

/** Steps left; infinite outside a decision. A typed array, because writing a number to it does not allocate. */
const left = new Float64Array([Infinity]);

/** Runs a synchronous decision with a limit. @throws PolicyError (access-denied) if it would take too long */
export function bounded<T>(decision: () => T): T {
  left[0] = maxSteps;
  try {
    return decision();
  } finally {
    left[0] = Infinity;
  }
}

/**
 * Counts work before it is done.
 * @throws PolicyError (access-denied), not an error that clients retry: a request that cannot be decided is denied
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
