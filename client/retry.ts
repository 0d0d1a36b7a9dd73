import type { OperationName } from '../proto/schema/descriptor.js';
import type { ServiceError } from './errors.js';

/**
 * Operations that may be carried out twice: those that only read, and the cryptographic ones. Which they are follows
 * from AWS's naming.
 */
const repeatable =
  /^(Describe|Get|List|Generate|Verify|(Encrypt|Decrypt|ReEncrypt|Sign|DeriveSharedSecret|Encapsulate|Decapsulate)$)/;

/** Whether a request may be sent again after it may have been carried out. */
export function isRepeatable(operation: OperationName): boolean {
  return repeatable.test(operation);
}

/** Whether a request that failed so may be sent again. */
export function mayRetry(operation: OperationName, error: ServiceError): boolean {
  // A throttled request was refused before anything was done.
  return error.retryable && (error.code === 'ThrottlingException' || isRepeatable(operation));
}

const base = 50;
const longest = 5_000;

/**
 * Milliseconds to wait before a repetition: exponential with full jitter, so that the clients of a daemon that was
 * away do not come back all at once.
 * @param attempt 0 for the first repetition
 */
export function backoff(attempt: number): number {
  return Math.random() * Math.min(longest, base * 2 ** attempt);
}
