/** The backup that was made last. */
export interface MadeBackup {
  readonly backupId: string;
  /** Of the file, lower-case hex. */
  readonly sha256: string;
  /** Number of parts, each but the last of {@link partSize} bytes. */
  readonly parts: number;
}

/** Bytes of a part. */
export const partSize = 1024 * 1024;

/** What this folder offers handlers. */
export interface BackupServices {
  readonly backups: {
    /** @throws BackupError, HsmError */
    create(withToken: boolean): Promise<MadeBackup>;
    /** @param part from 0 @throws BackupError 'no-such-backup' */
    read(backupId: string, part: number): Promise<Buffer>;
  };
}
