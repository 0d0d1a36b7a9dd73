import type { Transport } from './keyhold.js';

/** Options of a suite. */
export interface SuiteOptions {
  /** Milliseconds for which each figure is measured in each round. */
  readonly time: number;
  readonly rounds: number;
  /** The only operation to measure; all if not given. */
  readonly only?: string | undefined;
  /** Folder for a CPU profile of the daemon. */
  readonly profile?: string | undefined;
  /** Transports to measure, one after the other. */
  readonly over: readonly Transport[];
  /** Duration of `soak`. */
  readonly minutes: number;
  /** Path to which `curve` writes its chart. */
  readonly svg?: string | undefined;
  /** Number of records in the log of `audit`. */
  readonly records: number;
  /** Number of keys in the larger token of `scale`. */
  readonly keys: number;
}

/** An option whose value the suite does not accept. */
export class UsageError extends Error {}
