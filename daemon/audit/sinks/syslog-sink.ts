// Sends the audit log to a syslog receiver. There is no queue: the sink reads the files from a stored position, so a slow or
// absent receiver delays only its own sink, and nothing is lost. Syslog has no acknowledgements; the clean end of a
// connection serves as one, because a receiver closes cleanly only when it has read everything. So connections are closed at
// intervals, each clean end advances the position, and records of a broken connection are sent again.
import { AuditError } from '../audit-log.js';
import { Signal } from '../signal.js';
import { loadPosition, type Position, savePosition } from './position.js';
import { RecordReader } from './record-reader.js';
import { type ReceiverSettings, SyslogConnection } from './syslog-connection.js';
import { Framer, type MessageSettings } from './syslog-message.js';

/** Settings of a sink. */
export interface SyslogSettings extends ReceiverSettings, MessageSettings {
  /** Milliseconds after which a connection is closed to confirm what it carried. */
  readonly confirmInterval: number;
  /** Number of bytes after which it is closed earlier. */
  readonly confirmBytes: number;
}

/** `idle`: everything is confirmed; `confirming`: waits for the receiver to close; `waiting`: will retry after a failure. */
export type SinkState = 'idle' | 'connecting' | 'sending' | 'confirming' | 'waiting' | 'closed';

/** The status of a sink, for the health report. */
export interface SinkStatus {
  readonly state: SinkState;
  /** Durable records without confirmation. */
  readonly recordsBehind: number;
  /** The newest confirmed record. */
  readonly confirmedSequence: number;
  /** The newest record that was sent on the present connection. */
  readonly sentSequence: number;
  /** Why the last connection failed; undefined after a clean end. */
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
/** Smallest fraction of the confirmation bounds, which shrink while connections break before confirmation. */
const leastShare = 1 / 64;

/** One sink. */
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

  /** The present status. */
  get status(): SinkStatus {
    return {
      state: this.#state,
      recordsBehind: Math.max(0, this.environment.durable() - this.#confirmed),
      confirmedSequence: this.#confirmed,
      sentSequence: Math.max(this.#sent, this.#confirmed),
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
        // Half of it is random, so that daemons do not all reconnect at the same instant.
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
      `${positionFile} says that record ${position.sequence} was sent, but the log has only ${durable()}: an older log was ` +
        'put in its place. Remove the file to send the whole log again; nothing is sent until then.',
    );
  }

  /** One connection, from the first unconfirmed record to a clean end. @returns the confirmed position */
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
