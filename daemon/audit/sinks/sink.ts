// Sends the audit log to one receiver. There is no queue: a sink reads the files from a stored position, so a slow or absent
// receiver delays only its own sink, and nothing is lost. The position advances only when the receiver has confirmed records;
// what it has not confirmed is sent again.
import { AuditError } from '../audit-log.js';
import { Signal } from '../signal.js';
import type { Delivery, Session, SinkState } from './delivery.js';
import { loadPosition, type Position, savePosition } from './position.js';
import { RecordReader } from './record-reader.js';

/** The status of a sink, for the health report. */
export interface SinkStatus {
  readonly state: SinkState;
  /** Durable records without confirmation. */
  readonly recordsBehind: number;
  /** The newest confirmed record. */
  readonly confirmedSequence: number;
  /** The newest record that was sent on the present connection. */
  readonly sentSequence: number;
  /** Why the last delivery failed; undefined after a confirmation. */
  readonly lastError: string | undefined;
}

/** The log that a sink reads, and where it reports. */
export interface SinkEnvironment {
  /** The directory of the log's files. */
  readonly directory: string;
  /** Path of the position file. */
  readonly positionFile: string;
  /** Sequence number of the newest durable record. */
  readonly durable: () => number;
  /** Called for each failure, and with undefined when the sink works again. */
  readonly observe: (error: Error | undefined) => void;
}

/** Milliseconds before the first retry, doubled after each further failure up to the maximum. */
const [firstDelay, lastDelay] = [500, 60_000];
/** Smallest fraction of what is sent without confirmation, which shrinks while deliveries fail. */
const leastShare = 1 / 64;

/** One sink. */
export class Sink {
  #state: SinkState = 'connecting';
  /** The newest confirmed position; undefined until it is read. */
  #position: Position | undefined;
  #sent = 0;
  #error: string | undefined;
  #share = 1;
  #stopping = false;
  readonly #signal = new Signal();
  readonly #aborted = new AbortController();
  readonly #ended: Promise<void>;

  constructor(
    private readonly delivery: Delivery,
    private readonly environment: SinkEnvironment,
  ) {
    this.#ended = this.#run().catch((error: unknown) => this.#note(error));
  }

  /** The present status. */
  get status(): SinkStatus {
    const confirmed = this.#position?.sequence ?? 0;
    return {
      state: this.#state,
      recordsBehind: Math.max(0, this.environment.durable() - confirmed),
      confirmedSequence: confirmed,
      sentSequence: Math.max(this.#sent, confirmed),
      lastError: this.#error,
    };
  }

  /** Notifies the sink of new durable records. */
  ring(): void {
    this.#signal.raise();
  }

  /**
   * Sends the remaining records if the receiver accepts them, and ends. Records that are left are sent after the next start.
   * @param patience maximum wait in milliseconds
   */
  async close(patience: number): Promise<void> {
    this.#stopping = true;
    this.#signal.raise();
    const limit = setTimeout(() => {
      this.#aborted.abort();
      this.#signal.raise();
    }, patience);
    await this.#ended;
    clearTimeout(limit);
    this.delivery.close();
    this.#state = 'closed';
  }

  async #run(): Promise<void> {
    let delay = firstDelay;
    for (let isGood = true; !this.#stopping || (isGood && this.#isBehind);) {
      if (isGood && !this.#isBehind) {
        this.#state = 'idle';
        await this.#signal.wait();
        continue;
      }
      try {
        this.#position ??= await this.#load();
        if (this.#isBehind) await this.#deliver(this.#position);
        [isGood, delay, this.#share] = [true, firstDelay, Math.min(1, 4 * this.#share)];
      } catch (error) {
        if (this.#aborted.signal.aborted) return;
        this.#note(error);
        this.#state = 'waiting';
        [isGood, this.#share] = [false, Math.max(leastShare, this.#share / 4)];
        // Half of it is random, so that daemons do not all reconnect at the same instant.
        const { retryAfter = 0 } = error as { readonly retryAfter?: number };
        await this.#pause(Math.max(retryAfter, delay * (0.5 + Math.random() / 2)));
        delay = Math.min(2 * delay, lastDelay);
      }
    }
  }

  async #load(): Promise<Position> {
    const { positionFile, durable } = this.environment;
    const position = await loadPosition(positionFile);
    if (position.sequence <= durable()) return position;
    throw new AuditError(
      `${positionFile} says that record ${position.sequence} was sent, but the log has only ${durable()}: an older log was ` +
        'put in its place. Remove the file to send the whole log again; nothing is sent until then.',
    );
  }

  async #deliver(from: Position): Promise<void> {
    const { directory, durable } = this.environment;
    const reader = new RecordReader(directory, from);
    const session: Session = {
      from,
      share: this.#share,
      aborted: this.#aborted.signal,
      isStopping: () => this.#stopping,
      next: () => reader.next(durable()),
      wait: (patience) => this.#signal.wait(patience),
      wake: () => this.#signal.raise(),
      note: (state) => (this.#state = state),
      sent: (sequence) => (this.#sent = sequence),
      confirm: (position) => this.#confirm(position),
    };
    try {
      await this.delivery.deliver(session);
    } finally {
      this.#sent = 0;
      await reader.close();
    }
  }

  async #confirm(position: Position): Promise<void> {
    await savePosition(this.environment.positionFile, position);
    this.#position = position;
    if (this.#error !== undefined) this.environment.observe(undefined);
    this.#error = undefined;
  }

  get #isBehind(): boolean {
    return this.#position === undefined || this.#position.sequence < this.environment.durable();
  }

  async #pause(duration: number): Promise<void> {
    const end = Date.now() + duration;
    while (!this.#stopping && Date.now() < end) await this.#signal.wait(end - Date.now());
  }

  #note(error: unknown): void {
    const cause = error instanceof Error ? error : new Error(String(error));
    this.#error = cause.message;
    this.environment.observe(cause);
  }
}
