import type { HsmError } from '../key-store.js';
import type { JobKind } from '../messages.js';
import type { WorkerProcess } from './worker-process.js';

/** One job on its way through queue, worker, perhaps a second worker, to its promise. */
export class Job {
  /** A worker died while it had this job: now it runs alone, and not a third time. */
  suspect = false;
  /** Microseconds that it was expected to take when it was given to a worker. */
  expected = 0;

  constructor(
    readonly kind: JobKind,
    readonly parts: readonly Buffer[],
    /** Milliseconds of the pool's clock. */
    readonly queuedAt: number,
    /** Gets the parts of the result, and who made it. */
    readonly resolve: (parts: Buffer[], worker: WorkerProcess) => void,
    readonly reject: (error: HsmError) => void,
  ) {}

  /** CKA_IDs of the keys that it uses, as latin1 strings. */
  keys(): string[] {
    return this.kind.keys.map((part) => this.parts[part]?.toString('latin1') ?? '');
  }
}
