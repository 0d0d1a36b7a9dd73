// What a key store counts, for metrics.
import { callBounds, Distribution, sizeBounds, Tally } from '../observability/metrics/distribution.js';

/** Calls of one kind. */
export class CallCounts {
  /** Seconds in the worker, failed calls included. */
  readonly durations = new Distribution(callBounds);
  /** Failures by the code of their HsmError. */
  readonly errors = new Tally();

  /** @param name of the job */
  constructor(readonly name: string) {}
}

/** Counts since the store was connected. */
export class StoreCounts {
  /** Jobs in a frame to a worker. */
  readonly batches = new Distribution(sizeBounds);
  /** By the code of the job. */
  readonly calls: readonly CallCounts[];
  /** Workers that ended before they were told to. */
  workersLost = 0;

  /** @param jobs names by code */
  constructor(jobs: readonly string[]) {
    this.calls = jobs.map((name) => new CallCounts(name));
  }
}

/** A key store as it is now, and its counts. */
export interface KeyStoreStatistics {
  readonly counts: StoreCounts;
  /** Jobs that wait for a worker. */
  readonly queued: number;
  /** Whether a refused login keeps workers from starting. */
  readonly isLatched: boolean;
}
