/** The backup that was made last. */
export interface MadeBackup {
  readonly backupId: string;
  /** SHA-256 of the file, lower-case hex. */
  readonly sha256: string;
  /** Number of parts, each but the last of {@link partSize} bytes. */
  readonly parts: number;
}

/** Bytes of a part. */
export const partSize = 1024 * 1024;

/** The services of this folder for handlers. */
export interface BackupServices {
  readonly backups: {
    /** Makes a backup, and then removes the one before. @throws BackupError, HsmError */
    create(withToken: boolean): Promise<MadeBackup>;
    /** Reads a part of the last backup. @param part from 0 @throws BackupError 'no-such-backup' */
    read(backupId: string, part: number): Promise<Buffer>;
  };
}
