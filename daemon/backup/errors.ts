export type BackupErrorCode =
  /** The file is no backup, is not whole, or was changed. */
  | 'not-authentic'
  /** A later Keyhold made it. */
  | 'newer'
  /** Another backup is being made. */
  | 'in-progress'
  /** There is no such backup, or no such part of it. */
  | 'no-such-backup'
  /** A token that is no folder of files, or that changes all the time. */
  | 'no-token'
  /** The file system refused it. */
  | 'not-written';

/** A backup that cannot be made, read or restored; the message says what to do. */
export class BackupError extends Error {
  override readonly name = 'BackupError';

  constructor(
    readonly code: BackupErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
