// The record of the chain that says which files were archived.
import { z } from 'zod';

/** Name of the event. */
export const archivedEvent = 'AuditFilesArchived';

const sha256 = z.hex().length(64);

const archivedFile = z.strictObject({
  /** Name of the log's file. */
  file: z.string(),
  firstSequence: z.int().positive(),
  lastSequence: z.int().positive(),
  /** Hash of its last record. */
  lastHash: sha256,
  /** Of the file, without compression. */
  bytes: z.int().positive(),
  sha256,
  /** Name of the archive. */
  archive: z.string(),
  /** Of the archive. */
  archiveSha256: sha256,
});

/** A file of the log that was archived. */
export type ArchivedFile = z.output<typeof archivedFile>;

const archivedRecord = z.object({
  eventType: z.literal('AwsServiceEvent'),
  eventName: z.literal(archivedEvent),
  serviceEventDetails: z.object({ directory: z.string(), files: z.array(archivedFile) }),
});

const mark = Buffer.from(`"eventName":"${archivedEvent}"`);

/** The files that a record says were archived; none if it is another record. @param line without its line feed */
export function archivedFilesIn(line: Buffer): readonly ArchivedFile[] {
  if (!line.includes(mark)) return [];
  try {
    return archivedRecord.safeParse(JSON.parse(line.toString())).data?.serviceEventDetails.files ?? [];
  } catch {
    return [];
  }
}

/** Name of the archive of a log's file. */
export function archiveName(file: string): string {
  return `${file}.gz`;
}
