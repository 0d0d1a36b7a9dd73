// Finds records in the log. It reads all files, because times are not in order: a start appends owed events with their
// original times, and clocks are adjusted.
import { AuditError } from '../audit-log.js';
import { fileName } from '../chain.js';
import { listFiles, readLines } from '../lines.js';
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

/**
 * Iterates over the records that pass all filters, in the log's order, in constant memory. An incomplete last line is
 * skipped.
 * @param unreadable called for complete lines that might have passed but are not records
 * @throws AuditError if there is no log; Error of node:fs if it cannot be read
 */
export function* query(
  directory: string,
  filters: readonly Filter[],
  unreadable: (line: Unreadable) => void,
): Generator<Match, void> {
  const numbers = listFiles(directory);
  if (numbers.length === 0) throw new AuditError(`There is no audit log in ${directory}.`);
  for (const { bytes, file, number, complete } of readLines(directory, numbers)) {
    if (!complete && file === fileName(numbers.at(-1)!)) continue;
    if (!filters.every(({ mayPass }) => mayPass?.(bytes) ?? true)) continue;
    const record = parseRecord(bytes);
    if (!record) unreadable({ file, number });
    else if (filters.every(({ passes }) => passes(record))) yield { line: bytes, record };
  }
}
