import type { Transport } from './keyhold.js';

/** What a suite of figures is told. */
export interface SuiteOptions {
  /** Milliseconds for which each figure is measured in each round. */
  readonly time: number;
  readonly rounds: number;
  /** The one operation to measure. */
  readonly only?: string | undefined;
  /** Folder for a CPU profile of the daemon. */
  readonly profile?: string | undefined;
  /** What the operations are asked for over, one after the other. */
  readonly over: readonly Transport[];
  /** How long `soak` lasts. */
  readonly minutes: number;
  /** Where `curve` writes its picture. */
  readonly svg?: string | undefined;
  /** How many keys the larger token of `scale` holds. */
  readonly keys: number;
}

/** An option that the suite cannot do anything with. */
export class UsageError extends Error {}
