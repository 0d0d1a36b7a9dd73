// How records reach a kind of receiver.
import type { Position } from './position.js';
import type { Batch } from './record-reader.js';

/** `idle`: everything is confirmed; `confirming`: waits for the receiver's confirmation; `waiting`: will retry after a failure. */
export type SinkState = 'idle' | 'connecting' | 'sending' | 'confirming' | 'waiting' | 'closed';

/** Files that a sink's settings name, by the setting. */
export interface SinkFiles {
  /** PEM of the CAs that the receiver's certificate must be issued by; default: Node's own list. */
  readonly ca?: Buffer | undefined;
  /** PEM of the client certificate and its key. */
  readonly certificate?: Buffer | undefined;
  readonly key?: Buffer | undefined;
  /** Secrets of signatures, one a line. */
  readonly secretFile?: Buffer | undefined;
}

/** What a delivery reads, and where it reports. */
export interface Session {
  /** The newest confirmed position. */
  readonly from: Position;
  /** Fraction of the usual amount to send before a confirmation, 1/64 to 1: less after failures. */
  readonly share: number;
  /** Aborted: the delivery must end at once. */
  readonly aborted: AbortSignal;
  /** Whether to end when everything is sent. */
  readonly isStopping: () => boolean;
  /** Reads the next records; they are valid until the next read. @returns undefined if there are none yet */
  readonly next: () => Promise<Batch | undefined>;
  /** Waits for new records, or {@link wake}. @param patience in milliseconds */
  readonly wait: (patience: number) => Promise<void>;
  readonly wake: () => void;
  readonly note: (state: SinkState) => void;
  /** Notes the newest record that was sent. */
  readonly sent: (sequence: number) => void;
  /** Notes durably that the receiver has everything up to a position. */
  readonly confirm: (position: Position) => Promise<void>;
}

/** Delivers records to one receiver. */
export interface Delivery {
  /**
   * Delivers records from the session's position on, and confirms what the receiver has. Called again for the next ones.
   * @throws Error if the receiver does not take them; with `retryAfter`, milliseconds, if it says when it will
   */
  deliver(session: Session): Promise<void>;
  /** Connects to the receiver without sending records. @throws Error if it cannot be reached */
  probe(aborted: AbortSignal): Promise<void>;
  /** Ends what is left open between deliveries. */
  close(): void;
}
