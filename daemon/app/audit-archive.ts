// Archives files of a running daemon's audit log: one request at a time.
import { ArchiveError, archiveFiles } from '../audit/archive/archive.js';
import { archivedEvent, type ArchivedFile } from '../audit/archive/archived-files.js';
import { homePaths } from '../files/home.js';
import type { Journal } from './compose/journal.js';

/**
 * Makes the function that archives those files of the audit log whose records are all older than a time.
 * @returns takes the folder for archives, and the time in epoch seconds; throws ArchiveError, AuditError
 */
export function auditArchiver(home: string, { audit, sinks, event, owed }: Journal) {
  let isRunning = false;
  const log = {
    directory: homePaths(home).audit,
    durable: () => audit.head.sequence,
    delivered: () =>
      Object.fromEntries(
        Object.entries(sinks.status).map(([name, { confirmedSequence }]) => [name, confirmedSequence]),
      ),
    record: async (directory: string, files: readonly ArchivedFile[]) => {
      await event(archivedEvent, { directory, files });
      await audit.cover(audit.head.sequence);
    },
  };
  return async (directory: string, before: number): Promise<readonly ArchivedFile[]> => {
    if (isRunning)
      throw new ArchiveError(
        'not-yet',
        'Files of the audit log are being archived: try again when that is done.',
      );
    isRunning = true;
    try {
      // A start searches the log for events that the store lists as pending, so they must not be archived.
      await owed.flush();
      return await archiveFiles(log, directory, before);
    } finally {
      isRunning = false;
    }
  };
}
