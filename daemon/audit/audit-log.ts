// The interface of the audit log. Every event is one line of JSON with CloudTrail's field names.

/** The newest durable record. */
export interface AuditHead {
  readonly sequence: number;
  /** SHA-256 of the record's line without its line feed, lower-case hex. */
  readonly hash: string;
}

export interface AuditLog {
  /** The newest durable record. */
  readonly head: AuditHead;
  /** False after a failed write until the log is whole again; until then operations are refused before they execute. */
  readonly available: boolean;
  /** Why it is not available, and what to do. */
  readonly fault: string | undefined;
  /** When the present call to the disk began, by performance.now; undefined: none is in progress. */
  readonly busySince: number | undefined;
  /**
   * Appends an event and returns when it is durable (written and fdatasync'ed, shared by all that wait).
   * @param members the JSON members of the event, without braces: `"eventVersion":"1.11",…`; no line feed in it
   * @throws AuditError where it could not be made durable; the event is then still owed, and written first when the
   *   log is whole again
   */
  append(members: string): Promise<void>;
  /** Writes a last checkpoint and closes the file. */
  close(): Promise<void>;
}

/** Signs checkpoints with an HSM-resident key. */
export interface CheckpointSigner {
  /** The key's CKA_ID in hex: names the key in a checkpoint. */
  readonly keyId: string;
  /** ECDSA P-256 over SHA-256 of the message, DER. */
  sign(message: Buffer): Promise<Buffer>;
}

export class AuditError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AuditError';
  }
}
