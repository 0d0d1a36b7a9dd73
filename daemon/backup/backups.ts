// Backups of a running daemon. One is made at a time, and the last one stays in the home until another replaces it.
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../files/replace-file.js';
import { BackupError } from './errors.js';
import { type BackupServices, type MadeBackup, partSize } from './services.js';
import { type BackupContent, type Sign, writeBackup } from './write.js';

const idPattern = /^keyhold-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$/;
const suffix = '.backup';

type Promised = BackupServices['backups'];

/** Makes backups in a folder. */
export class Backups implements Promised {
  #isMaking = false;

  /**
   * @param folder made if it does not exist
   * @param content gathers the content of a backup; called for each
   */
  constructor(
    private readonly folder: string,
    private readonly content: (withToken: boolean) => Promise<BackupContent>,
    private readonly sign: Sign,
  ) {}

  /** Makes a backup, and then removes the one before. @throws BackupError, HsmError */
  async create(withToken: boolean): Promise<MadeBackup> {
    if (this.#isMaking)
      throw new BackupError('in-progress', 'Another backup is being made: try again when it is done.');
    this.#isMaking = true;
    try {
      const content = await this.content(withToken);
      await makeFolder(this.folder);
      const time = new Date().toISOString().slice(0, 19).replace(/[-:]/g, '');
      const backupId = `keyhold-${time}Z-${randomBytes(4).toString('hex')}`;
      const { size, sha256 } = await writeBackup(this.#path(backupId), content, this.sign);
      await this.#removeOthers(backupId);
      return { backupId, sha256, parts: Math.ceil(size / partSize) };
    } finally {
      this.#isMaking = false;
    }
  }

  /** Reads a part of the last backup. @param part from 0 @throws BackupError 'no-such-backup' */
  async read(backupId: string, part: number): Promise<Buffer> {
    let file: FileHandle;
    try {
      if (!idPattern.test(backupId)) throw new RangeError('no ID of a backup');
      file = await open(this.#path(backupId));
    } catch (error) {
      throw new BackupError(
        'no-such-backup',
        `There is no backup ${backupId}: only the last one is kept, so make another.`,
        { cause: error },
      );
    }
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(partSize), 0, partSize, part * partSize);
      if (bytesRead > 0) return buffer.subarray(0, bytesRead);
      throw new BackupError('no-such-backup', `The backup ${backupId} has no part ${part}.`);
    } finally {
      await file.close();
    }
  }

  #path(backupId: string): string {
    return join(this.folder, backupId + suffix);
  }

  /** Removes all other backups, and what a crash left half-written. */
  async #removeOthers(backupId: string): Promise<void> {
    for (const name of await readdir(this.folder))
      if (name !== backupId + suffix) await rm(join(this.folder, name), { force: true });
  }
}
