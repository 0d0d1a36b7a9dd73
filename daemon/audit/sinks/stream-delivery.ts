// Sends records as a stream: syslog, and systemd's journal. A stream has no acknowledgements; the clean end of a connection
// serves as one, because a receiver closes cleanly only when it has read everything. So connections are closed at intervals,
// each clean end confirms what was sent, and records of a broken connection are sent again.
import type { Delivery, Session } from './delivery.js';
import { type ReceiverSettings, StreamConnection } from './stream-connection.js';

/** The receiver of a stream, and when its connections end. */
export interface StreamSettings extends ReceiverSettings {
  /** Milliseconds after which a connection is closed to confirm what it carried. */
  readonly confirmInterval: number;
  /** Number of bytes after which it is closed earlier. */
  readonly confirmBytes: number;
}

/** The format of a stream. */
export interface StreamFormat {
  /** Sent at the start of each connection. */
  readonly preface: Buffer;
  /** The parts of what is sent for a record. @param line without its line feed */
  readonly frame: (line: Buffer, sequence: number) => readonly Buffer[];
  /** Whether the receiver ends its own direction at once. */
  readonly isSilent: boolean;
}

/** Delivers records as a stream. */
export class StreamDelivery implements Delivery {
  constructor(
    private readonly settings: StreamSettings,
    private readonly format: StreamFormat,
  ) {}

  /** One connection, from the first unconfirmed record to a clean end. */
  async deliver(session: Session): Promise<void> {
    const { confirmInterval, confirmBytes } = this.settings;
    session.note('connecting');
    const connection = await this.#open(session.aborted);
    connection.failed.catch(() => session.wake());
    try {
      await connection.write(this.format.preface);
      session.note('sending');
      const end = Date.now() + confirmInterval * session.share;
      let left = confirmBytes * session.share;
      let position = session.from;
      while (left > 0) {
        const batch = await session.next();
        if (batch) {
          const frames = batch.records.flatMap(({ line, sequence }) => this.format.frame(line, sequence));
          const bytes = Buffer.concat(frames);
          await connection.write(bytes);
          left -= bytes.length;
          position = batch.end;
          session.sent(position.sequence);
        }
        const patience = end - Date.now();
        if (patience <= 0 || (!batch && session.isStopping())) break;
        if (!batch) await session.wait(patience);
        connection.check();
      }
      session.note('confirming');
      await connection.finish();
      await session.confirm(position);
    } finally {
      connection.destroy();
    }
  }

  async probe(aborted: AbortSignal): Promise<void> {
    (await this.#open(aborted)).destroy();
  }

  close(): void {
    // Nothing is open between connections.
  }

  async #open(aborted: AbortSignal): Promise<StreamConnection> {
    try {
      return await StreamConnection.open(this.settings, aborted, this.format.isSilent);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPROTOTYPE') throw error;
      throw new Error(
        `${this.settings.socket} is a datagram socket, which Node.js cannot write to: use type 'journal', or 'tls: false' with a ` +
          'receiver that listens on 127.0.0.1',
        { cause: error },
      );
    }
  }
}
