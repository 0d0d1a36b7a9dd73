// Decides when checkpoints are made. Signing never delays an append.
import { AuditError, type CheckpointSigner } from './audit-log.js';
import { type Checkpoint, checkpointMembers, checkpointMessage, checkpointReach } from './checkpoint.js';
import type { ChainHead } from './chain.js';
import type { AuditWriter } from './writer.js';

/** An event of the checkpoints, for the log of the daemon. */
export type CheckpointEvent =
  /** The records up to the named one are authenticated. */
  | { readonly type: 'checkpoint'; readonly checkpoint: Checkpoint }
  /** Another attempt follows after the interval; the log stays available. */
  | { readonly type: 'checkpoint-failed'; readonly error: unknown };

/** Maximum distances between checkpoints. */
export interface CheckpointCadence {
  /** Maximum number of records between two checkpoints under load. */
  readonly records: number;
  /** Maximum time in milliseconds between two checkpoints while records are written. */
  readonly interval: number;
}

/** Makes the checkpoints of a log. */
export class Checkpointer {
  /** The newest record that a checkpoint names. */
  #covered = 0;
  /** The record of that checkpoint. */
  #recordedAt = 0;
  #signing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failing = false;
  #closed = false;

  /** @param newest the last record if it is a checkpoint: the sequence numbers of the record that it names and of its own */
  constructor(
    private readonly writer: AuditWriter,
    private readonly signer: CheckpointSigner,
    private readonly cadence: CheckpointCadence,
    private readonly observe: (event: CheckpointEvent) => void,
    newest: { readonly covered: number; readonly recordedAt: number } | undefined,
  ) {
    if (newest) ({ covered: this.#covered, recordedAt: this.#recordedAt } = newest);
  }

  /** Called after each group of durable records. Signs at half of each limit, because a signature takes time too. */
  durable(head: ChainHead): void {
    if (this.#signing || this.#closed) return;
    const unsigned = this.#unsigned(head);
    if (unsigned === 0) return;
    if (unsigned >= this.cadence.records / 2 && !this.#failing) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), this.cadence.interval / 2).unref();
  }

  /** Returns when a durable checkpoint covers a record, which must be durable. @throws AuditError if none can be made */
  async cover(sequence: number): Promise<void> {
    await this.#signing;
    while (this.#covered < sequence) {
      if (!this.#closed && !this.#signing) this.#start();
      await this.#signing;
      if (this.#closed || this.#failing)
        throw new AuditError(
          'No checkpoint could be made, so no record of the log is signed: see the log of the daemon.',
        );
    }
  }

  /** Makes a last checkpoint if there are records without one. Appends must have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#signing;
    if (this.writer.available && this.#unsigned(this.writer.head) > 0) await this.#sign();
  }

  /** Number of records after the covered one, without the checkpoint's own record, which alone needs no other checkpoint. */
  #unsigned(head: ChainHead): number {
    const own = this.#recordedAt > this.#covered && head.sequence >= this.#recordedAt ? 1 : 0;
    return head.sequence - this.#covered - own;
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#signing = this.#sign().then(() => {
      this.#signing = undefined;
      this.durable(this.writer.head);
    });
  }

  async #sign(): Promise<void> {
    const { sequence, hash } = this.writer.head;
    try {
      const signature = (await this.signer.sign(checkpointMessage({ sequence, hash }))).toString('base64');
      // Too many records were appended meanwhile for a verifier to know the hash. The next checkpoint names a newer record.
      if (this.writer.lastSequence - sequence >= checkpointReach) return;
      const checkpoint = { sequence, hash, keyId: this.signer.keyId, signature };
      const wasAvailable = this.writer.available;
      const appended = this.writer.append(checkpointMembers(checkpoint));
      // An accepted record is owed, so it will be in the log even if it cannot be made durable now.
      if (wasAvailable) [this.#covered, this.#recordedAt] = [sequence, this.writer.lastSequence];
      await appended;
      this.#failing = false;
      this.observe({ type: 'checkpoint', checkpoint });
    } catch (error) {
      this.#failing = true;
      this.observe({ type: 'checkpoint-failed', error });
    }
  }
}
