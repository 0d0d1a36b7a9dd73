// Sends the audit log to a syslog receiver. It has no queue: it reads the files from a position that it keeps, so a slow
// or absent receiver holds up the sink alone and loses nothing. Syslog has no acknowledgements; what stands in for them is
// the clean end of a connection, which a receiver gives when it has read everything. So connections are ended now and
// then, the position moves on with each clean end, and what was sent on a connection that broke is sent again.
import { AuditError } from '../audit-log.js';
import { Signal } from '../signal.js';
import { loadPosition, type Position, savePosition } from './position.js';
import { RecordReader } from './record-reader.js';
import { type ReceiverSettings, SyslogConnection } from './syslog-connection.js';
import { Framer, type MessageSettings } from './syslog-message.js';

export interface SyslogSettings extends ReceiverSettings, MessageSettings {
  /** Milliseconds after which a connection is ended, so that what it carried counts as received. */
  readonly confirmInterval: number;
  /** Bytes after which it is ended before that. */
  readonly confirmBytes: number;
}

/** `idle`: all is received; `confirming`: the receiver is to close; `waiting`: for the next try after a failure. */
export type SinkState = 'idle' | 'connecting' | 'sending' | 'confirming' | 'waiting' | 'closed';

export interface SinkStatus {
  readonly state: SinkState;
  /** Durable records that the receiver is not known to have. */
  readonly recordsBehind: number;
  /** The newest record that the receiver is known to have. */
  readonly confirmedSequence: number;
  /** The newest record that was sent on the present connection. */
  readonly sentSequence: number;
  /** Why the last connection failed; undefined after one that ended well. */
  readonly lastError: string | undefined;
}

export interface SinkEnvironment {
  /** The directory of the log's files. */
  readonly directory: string;
  /** The file that keeps the position. */
  readonly positionFile: string;
  /** Sequence number of the newest durable record. */
  readonly durable: () => number;
  /** Hears of each failure, and of the first good end after one (undefined). */
  readonly observe: (error: Error | undefined) => void;
}

/** Milliseconds before the first try after a failure; doubled after each that fails, up to the last. */
const [firstDelay, lastDelay] = [500, 60_000];
/** How small a share of the confirmation's bounds may become while connections break before they are confirmed. */
const leastShare = 1 / 64;

export class SyslogSink {
  #state: SinkState = 'connecting';
  #confirmed = 0;
  #sent = 0;
  #error: string | undefined;
  #share = 1;
  #stopping = false;
  readonly #signal = new Signal();
  readonly #framer: Framer;
  readonly #aborted = new AbortController();
  readonly #ended: Promise<void>;

  constructor(
    private readonly settings: SyslogSettings,
    private readonly environment: SinkEnvironment,
  ) {
    this.#framer = new Framer(settings);
    this.#ended = this.#run().catch((error: unknown) => this.#note(error));
  }

  get status(): SinkStatus {
    return {
      state: this.#state,
      recordsBehind: Math.max(0, this.environment.durable() - this.#confirmed),
      confirmedSequence: this.#confirmed,
      sentSequence: Math.max(this.#sent, this.#confirmed),
      lastError: this.#error,
    };
  }

  /** Says that there are more durable records. */
  ring(): void {
    this.#signal.raise();
  }

  /**
   * Sends what there is, if the receiver takes it, and ends. What is left is sent after the next start.
   * @param patience milliseconds
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
    this.#state = 'closed';
  }

  async #run(): Promise<void> {
    let delay = firstDelay;
    let position: Position | undefined;
    for (let isGood = true; !this.#stopping || (isGood && this.#isBehind(position));) {
      if (isGood && position && !this.#isBehind(position)) {
        this.#state = 'idle';
        await this.#signal.wait();
        continue;
      }
      try {
        position ??= await this.#load();
        this.#confirmed = position.sequence;
        if (this.#isBehind(position)) position = await this.#session(position);
        this.#confirmed = position.sequence;
        if (this.#error !== undefined) this.environment.observe(undefined);
        this.#error = undefined;
        [isGood, delay, this.#share] = [true, firstDelay, Math.min(1, 4 * this.#share)];
      } catch (error) {
        if (this.#aborted.signal.aborted) return;
        this.#note(error);
        this.#state = 'waiting';
        [isGood, this.#share] = [false, Math.max(leastShare, this.#share / 4)];
        // Half of it at random, so that daemons whose receiver comes back do not come at the same instant.
        await this.#pause(delay * (0.5 + Math.random() / 2));
        delay = Math.min(2 * delay, lastDelay);
      }
    }
  }

  async #load(): Promise<Position> {
    const { positionFile, durable } = this.environment;
    const position = await loadPosition(positionFile);
    if (position.sequence <= durable()) return position;
    throw new AuditError(
      `${positionFile} says that record ${position.sequence} was sent, and the log has ${durable()}: an older log was put ` +
        'in its place. Remove the file, and the sink sends the whole log again; nothing is sent until then.',
    );
  }

  /** One connection, from the first record that is not confirmed to a clean end. @returns the place that is confirmed */
  async #session(from: Position): Promise<Position> {
    const { directory, positionFile, durable } = this.environment;
    this.#state = 'connecting';
    const connection = await SyslogConnection.open(this.settings, this.#aborted.signal);
    connection.failed.catch(() => this.#signal.raise());
    const reader = new RecordReader(directory, from);
    try {
      this.#state = 'sending';
      const end = Date.now() + this.settings.confirmInterval * this.#share;
      let left = this.settings.confirmBytes * this.#share;
      let position = from;
      while (left > 0) {
        const batch = await reader.next(durable());
        if (batch) {
          const frames = batch.records.flatMap(({ line, sequence }) => this.#framer.frame(line, sequence));
          const bytes = Buffer.concat(frames);
          await connection.write(bytes);
          left -= bytes.length;
          position = batch.end;
          this.#sent = position.sequence;
        }
        const patience = end - Date.now();
        if (patience <= 0 || (!batch && this.#stopping)) break;
        if (!batch) await this.#signal.wait(patience);
        connection.check();
      }
      this.#state = 'confirming';
      await connection.finish();
      await savePosition(positionFile, position);
      return position;
    } finally {
      this.#sent = 0;
      connection.destroy();
      await reader.close();
    }
  }

  #isBehind(position: Position | undefined): boolean {
    return position === undefined || position.sequence < this.environment.durable();
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
