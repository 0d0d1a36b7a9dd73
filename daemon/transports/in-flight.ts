// Requests in flight: the limit of each connection, and how a stop waits for them.
import { exceptions, type ServiceError } from '../../proto/errors.js';

/** Interval between two checks while a stop waits, in milliseconds. */
const pollInterval = 10;

/** Makes the error for a request over the limit of its connection. @param limit `limits.inFlightPerConnection` */
export function tooManyInFlight(limit: number): ServiceError {
  return new exceptions.ThrottlingException(`At most ${limit} requests may be in flight on a connection.`);
}

/**
 * Waits until nothing is in flight, or the time-out has passed.
 * @param count returns the number in flight
 * @param timeout in milliseconds
 */
export async function drained(count: () => number, timeout: number): Promise<void> {
  const end = Date.now() + timeout;
  while (count() > 0 && Date.now() < end) await new Promise((done) => setTimeout(done, pollInterval));
}
