import type { AnyJob } from '../jobs/table.js';
import { HsmError } from '../key-store.js';

/** One job on its way through queue, worker, perhaps a second worker, to its promise. */
export class Job<Worker> {
  /** A worker died while it had this job: now it runs alone, and not a third time. */
  suspect = false;
  /** Microseconds that it was expected to take when it was given to a worker. */
  expected = 0;

  constructor(
    readonly kind: AnyJob,
    readonly parts: readonly Buffer[],
    /** Milliseconds of the pool's clock. */
    readonly queuedAt: number,
    /** Gets the parts of the result, and who made it. It may throw. */
    private readonly resolve: (parts: readonly Buffer[], worker: Worker) => void,
    readonly reject: (error: HsmError) => void,
  ) {}

  /** CKA_IDs of the keys that it uses, as latin1 strings. */
  keys(): string[] {
    return this.kind.arguments.keys.map((part) => this.parts[part]?.toString('latin1') ?? '');
  }

  /** Settles it with the parts of its result. A result that cannot be decoded rejects it, and nothing else. */
  answer(parts: readonly Buffer[], worker: Worker): void {
    try {
      this.resolve(parts, worker);
    } catch (error) {
      this.reject(new HsmError('internal', (error as Error).message, { cause: error }));
    }
  }

  /** Rejects it because a key that it uses is being destroyed. */
  rejectDestroyed(): void {
    this.reject(new HsmError('no-such-object', 'The key is being destroyed.'));
  }
}
