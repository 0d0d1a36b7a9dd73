// Finds records in the log, oldest first. Of files with an index it reads only the parts that may have such records.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { AuditError } from '../audit-log.js';
import { fileName } from '../chain.js';
import { type Line, listArchives, listFiles, readFile, readLines } from '../lines.js';
import { FileIndex, type SignedIndexes } from './file-index.js';
import type { Filter } from './filters.js';
import { type AuditRecord, parseRecord } from './record.js';

/** A record that was found. */
export interface Match {
  /** Without its line feed; valid until the next match. */
  readonly line: Buffer;
  readonly record: AuditRecord;
}

/** A line that is not a record; another program wrote it. */
export interface Unreadable {
  readonly file: string;
  readonly number: number;
}

/** The log that is read. */
export interface QueriedLog {
  /** Folder of the log. */
  readonly directory: string;
  /** Default: everything is read. */
  readonly indexes?: SignedIndexes | undefined;
  /** Folder of archived files, which are read too. */
  readonly archives?: string | undefined;
}

/**
 * Iterates over the records that pass all filters, in the log's order, in constant memory. An incomplete last line is
 * skipped.
 * @param unreadable called for complete lines that might have passed but are not records
 * @throws AuditError if there is no log; Error of node:fs if it cannot be read
 */
export function* query(
  { directory, indexes, archives }: QueriedLog,
  filters: readonly Filter[],
  unreadable: (line: Unreadable) => void,
): Generator<Match, void> {
  const own = new Set(listFiles(directory));
  const archived = archives === undefined ? [] : listArchives(archives);
  const numbers = [...new Set([...archived, ...own])].sort((a, b) => a - b);
  if (numbers.length === 0) throw new AuditError(`There is no audit log in ${directory}.`);
  const newest = numbers.at(-1)!;
  for (const each of numbers) {
    const isIndexed = own.has(each) && each !== newest && filters.length > 0;
    const lines =
      indexes !== undefined && isIndexed
        ? indexedLines(directory, indexes, each, filters)
        : readLines(directory, [each], archives);
    for (const { bytes, file, number, complete } of lines) {
      if (!complete && each === newest) continue;
      if (!filters.every(({ mayPass }) => mayPass?.(bytes) ?? true)) continue;
      const record = parseRecord(bytes);
      if (!record) unreadable({ file, number });
      else if (filters.every(({ passes }) => passes(record))) yield { line: bytes, record };
    }
  }
}

/** Reads the parts of a file that may have records which pass; all of it, without an index that can be used. */
function* indexedLines(
  directory: string,
  indexes: SignedIndexes,
  number: number,
  filters: readonly Filter[],
): Generator<Line, void> {
  const file = fileName(number);
  const index = FileIndex.loadSync(indexes, number, statSync(join(directory, file)));
  if (!index) yield* readFile(directory, file);
  else for (const range of index.ranges(filters)) yield* readFile(directory, file, range);
}
