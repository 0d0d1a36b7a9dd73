import type { OperationName } from '../../proto/schema/descriptor.js';
import type { ServiceError } from '../errors.js';

/** Operations that are safe to execute twice, by AWS's names: those that only read, and the cryptographic ones. */
const repeatable =
  /^(Describe|Get|List|Generate|Verify|(Encrypt|Decrypt|ReEncrypt|Sign|DeriveSharedSecret|Encapsulate|Decapsulate)$)/;

/** Whether a request may be sent again that may have been executed. */
export function isRepeatable(operation: OperationName): boolean {
  return repeatable.test(operation);
}

/** Whether a request may be sent again after an error. */
export function mayRetry(operation: OperationName, error: ServiceError): boolean {
  // A throttled request was refused before anything was done.
  return error.retryable && (error.code === 'ThrottlingException' || isRepeatable(operation));
}

const base = 50;
const longest = 5_000;

/**
 * How long to wait before a repetition: exponential with full jitter, so that clients do not all return at once to a daemon
 * that was away.
 * @param attempt 0 for the first repetition
 * @returns milliseconds
 */
export function backoff(attempt: number): number {
  return Math.random() * Math.min(longest, base * 2 ** attempt);
}
