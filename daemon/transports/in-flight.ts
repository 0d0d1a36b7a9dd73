// Requests in flight: the bound of each connection, and how a stop waits for them.
import { exceptions, type ServiceError } from '../../proto/errors.js';

/** Between two looks while a stop waits, in milliseconds. */
const pollInterval = 10;

/** What a request past the bound of its connection is answered. @param limit requests, `limits.inFlightPerConnection` */
export function tooManyInFlight(limit: number): ServiceError {
  return new exceptions.ThrottlingException(`At most ${limit} requests may be in flight on a connection.`);
}

/**
 * Waits until nothing is in flight any more, or the time is over.
 * @param count of what is in flight now
 * @param timeout in milliseconds
 */
export async function drained(count: () => number, timeout: number): Promise<void> {
  const end = Date.now() + timeout;
  while (count() > 0 && Date.now() < end) await new Promise((done) => setTimeout(done, pollInterval));
}
