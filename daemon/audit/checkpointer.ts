// When checkpoints are made. Signing takes place beside the log and never holds up an append.
import type { CheckpointSigner } from './audit-log.js';
import { type Checkpoint, checkpointMembers, checkpointMessage, checkpointReach } from './checkpoint.js';
import type { ChainHead } from './chain.js';
import type { AuditWriter } from './writer.js';

export type CheckpointEvent =
  /** The records up to this one are vouched for. */
  | { readonly type: 'checkpoint'; readonly checkpoint: Checkpoint }
  /** It is tried again after the interval; the log stays available. */
  | { readonly type: 'checkpoint-failed'; readonly error: unknown };

export interface CheckpointCadence {
  /** The most records between two checkpoints under load. */
  readonly records: number;
  /** The most milliseconds between two checkpoints while records are written. */
  readonly interval: number;
}

export class Checkpointer {
  /** The newest record that a checkpoint names. */
  #covered = 0;
  /** The record of that checkpoint. */
  #recordedAt = 0;
  #signing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failing = false;
  #closed = false;

  /** @param newest where the log's last record is a checkpoint: it, and the sequence number of its record */
  constructor(
    private readonly writer: AuditWriter,
    private readonly signer: CheckpointSigner,
    private readonly cadence: CheckpointCadence,
    private readonly observe: (event: CheckpointEvent) => void,
    newest: { readonly covered: number; readonly recordedAt: number } | undefined,
  ) {
    if (newest) ({ covered: this.#covered, recordedAt: this.#recordedAt } = newest);
  }

  /** To be called after each group. Begins at half of each limit, since a signature takes its time too. */
  durable(head: ChainHead): void {
    if (this.#signing || this.#closed) return;
    const unsigned = this.#unsigned(head);
    if (unsigned === 0) return;
    if (unsigned >= this.cadence.records / 2 && !this.#failing) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), this.cadence.interval / 2).unref();
  }

  /** Makes a last checkpoint if there is anything to vouch for. Appends must have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#signing;
    if (this.writer.available && this.#unsigned(this.writer.head) > 0) await this.#sign();
  }

  /** Records after the covered one, without the checkpoint's own: a checkpoint alone gives no cause for another. */
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
      // Too much was appended meanwhile: a verifier would no longer know the hash. The next one names a newer record.
      if (this.writer.lastSequence - sequence >= checkpointReach) return;
      const checkpoint = { sequence, hash, keyId: this.signer.keyId, signature };
      const wasAvailable = this.writer.available;
      const appended = this.writer.append(checkpointMembers(checkpoint));
      // What was accepted is owed, and so in the log, even if it cannot be made durable now.
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
