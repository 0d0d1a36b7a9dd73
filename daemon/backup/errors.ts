/** Why a backup cannot be made, read or restored. */
export type BackupErrorCode =
  /** The file is not a backup, is incomplete, or was changed. */
  | 'not-authentic'
  /** A newer Keyhold made it. */
  | 'newer'
  /** Another backup is being made. */
  | 'in-progress'
  /** There is no such backup, or no such part of it. */
  | 'no-such-backup'
  /** The token is not a folder of files, or changes all the time. */
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
