import type { AnyJob } from '../jobs/table.js';
import { HsmError } from '../key-store.js';

/** One job, from the queue through a worker, and perhaps a second one, to its promise. */
export class Job<Worker> {
  /** A worker died while it had this job: the second attempt runs alone and is the last. */
  suspect = false;
  /** Expected duration in microseconds at the time when a worker got the job. */
  expected = 0;

  constructor(
    readonly kind: AnyJob,
    readonly parts: readonly Buffer[],
    /** Time of the pool's clock in milliseconds. */
    readonly queuedAt: number,
    /** Receives the parts of the result and the worker. It may throw. */
    private readonly resolve: (parts: readonly Buffer[], worker: Worker) => void,
    readonly reject: (error: HsmError) => void,
  ) {}

  /** CKA_IDs of the keys that the job uses, as latin1 strings. */
  keys(): string[] {
    return this.kind.arguments.keys.map((part) => this.parts[part]?.toString('latin1') ?? '');
  }

  /** Settles the job with the parts of its result. A result that cannot be decoded rejects only this job. */
  answer(parts: readonly Buffer[], worker: Worker): void {
    try {
      this.resolve(parts, worker);
    } catch (error) {
      this.reject(new HsmError('internal', (error as Error).message, { cause: error }));
    }
  }

  /** Rejects the job because a key that it uses is being destroyed. */
  rejectDestroyed(): void {
    this.reject(new HsmError('no-such-object', 'The key is being destroyed.'));
  }
}
