// Shared by the tests of archives.
import type { ArchivableLog } from '../../../daemon/audit/archive/archive.js';
import { archivedEvent } from '../../../daemon/audit/archive/archived-files.js';
import { makeServiceEvent } from '../../../daemon/audit/event.js';
import type { FileAuditLog } from '../../../daemon/audit/open.js';

/** Small files, and checkpoints only where they are asked for: a checkpoint has the current time. */
export const fileSize = { maxFileSize: 4096, checkpointRecords: 1e6, checkpointInterval: 1e9 };

/** A log whose files can be archived, as the daemon does it. */
export function archivable(
  directory: string,
  log: FileAuditLog,
  more: Partial<ArchivableLog> = {},
): ArchivableLog {
  return {
    directory,
    durable: () => log.head.sequence,
    delivered: () => ({}),
    record: async (folder, files) => {
      await log.append(
        makeServiceEvent(archivedEvent, '0'.repeat(12), 'us-east-1', { directory: folder, files }).members,
      );
      await log.cover(log.head.sequence);
    },
    ...more,
  };
}
