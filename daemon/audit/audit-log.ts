// The interface of the audit log. Every event is one line of JSON with CloudTrail's field names.
import type { ChainHead } from './chain.js';

/** The audit log of a daemon. */
export interface AuditLog {
  /** The newest durable record. */
  readonly head: ChainHead;
  /** False after a failed write until the log works again; until then operations are refused before they execute. */
  readonly available: boolean;
  /** Why the log is not available, and what to do. */
  readonly fault: string | undefined;
  /** Start of the present call to the disk, by performance.now; undefined if there is none. */
  readonly busySince: number | undefined;
  /**
   * Appends an event and resolves when it is durable. Events that wait share one write and one fdatasync.
   * @param members the JSON members of the event, without braces and line feeds: `"eventVersion":"1.11",…`
   * @throws AuditError if it could not be made durable; the event is then still owed, and written first when the log works
   *   again
   */
  append(members: string): Promise<void>;
  /** Writes a last checkpoint and closes the file. */
  close(): Promise<void>;
}

/** Signs checkpoints with an HSM-resident key. */
export interface CheckpointSigner {
  /** The key's CKA_ID in hex: names the key in a checkpoint. */
  readonly keyId: string;
  /** Signs a message. @returns ECDSA P-256 over its SHA-256, DER */
  sign(message: Buffer): Promise<Buffer>;
}

/** The error of the audit log. Its message is for an operator. */
export class AuditError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AuditError';
  }
}
