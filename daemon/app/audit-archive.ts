// Archives files of a running daemon's audit log: one request at a time.
import { ArchiveError, archiveFiles } from '../audit/archive/archive.js';
import { archivedEvent, type ArchivedFile } from '../audit/archive/archived-files.js';
import { homePaths } from '../files/home.js';
import type { Journal } from './compose/journal.js';

/** @returns what archives files whose records are all from before a time, in seconds since 1970 */
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
      // A start looks in the log for events that the store still lists as pending.
      await owed.flush();
      return await archiveFiles(log, directory, before);
    } finally {
      isRunning = false;
    }
  };
}
