// Checks that a log still has the record that was known to be its newest. Synchronous, for starts and admin programs.
import { existsSync } from 'node:fs';
import { fileName, genesis, isJson, type ChainHead, parseStart, recordHash } from './chain.js';
import { listFiles, readLines } from './lines.js';

/** How a log differs from the expected head. */
export interface HeadMismatch {
  readonly kind: 'gone' | 'cut' | 'another';
  /** The record that was durable. */
  readonly expected: ChainHead;
  /** The last record of the log; sequence 0 if there is none. */
  readonly last: ChainHead;
}

/**
 * Looks for a record in the newest files of a log, and checks that the records after it are chained to it.
 * @param expected the record; sequence 0 accepts any log
 * @returns undefined if the record is there
 * @throws Error of node:fs if a file cannot be read
 */
export function findHeadMismatch(directory: string, expected: ChainHead): HeadMismatch | undefined {
  if (expected.sequence === 0) return undefined;
  const numbers = existsSync(directory) ? listFiles(directory) : [];
  const at = numbers.findLastIndex(
    (number) => (firstSequence(directory, number) ?? Infinity) <= expected.sequence,
  );
  let last: ChainHead = genesis;
  let isFound = false;
  for (const { bytes, complete } of readLines(directory, numbers.slice(Math.max(0, at)))) {
    const start = parseStart(bytes);
    if (!start || !complete) continue;
    if (start.sequence < expected.sequence) {
      last = { sequence: start.sequence, hash: '' };
      continue;
    }
    const line: ChainHead = { sequence: start.sequence, hash: recordHash(bytes) };
    // If older files were moved away, the first remaining record proves the expected one by the hash that it names.
    const before = isFound ? last : expected;
    const follows = start.sequence === before.sequence + 1 && start.previous === before.hash;
    const isExpected = !isFound && line.sequence === expected.sequence && line.hash === expected.hash;
    if (!follows && !isExpected) return { kind: 'another', expected, last: lastRecord(directory) };
    isFound = true;
    last = line;
  }
  if (isFound) return undefined;
  return { kind: last.sequence === 0 ? 'gone' : 'cut', expected, last: lastRecord(directory) };
}

/** Describes the difference in a sentence. */
export function describeHeadMismatch({ kind, expected, last }: HeadMismatch): string {
  const { sequence } = expected;
  if (kind === 'gone')
    return `It has no record, although record ${sequence} was durable: it was deleted or emptied.`;
  if (kind === 'cut')
    return `It ends with record ${last.sequence}, although record ${sequence} was durable: at least ${sequence - last.sequence} records were cut off.`;
  return `Its record ${sequence} is not the one that the daemon wrote: the log was replaced or rewritten.`;
}

/** Whether a daemon could append to a log. */
export function canBeContinued(directory: string): boolean {
  const numbers = existsSync(directory) ? listFiles(directory) : [];
  if (numbers.length === 0) return true;
  let isRecord = false;
  for (const { bytes, complete, file } of readLines(directory, numbers.slice(-2))) {
    const isNewest = file === fileName(numbers.at(-1)!);
    if (complete) isRecord = parseStart(bytes) !== undefined && isJson(bytes);
    else if (!isNewest) return false;
  }
  return isRecord;
}

/** Returns the last record of a log, whose newest file may be empty. */
export function lastRecord(directory: string): ChainHead {
  const numbers = existsSync(directory) ? listFiles(directory) : [];
  let last: ChainHead = genesis;
  for (const { bytes, complete } of readLines(directory, numbers.slice(-2))) {
    const start = complete ? parseStart(bytes) : undefined;
    if (start) last = { sequence: start.sequence, hash: recordHash(bytes) };
  }
  return last;
}

function firstSequence(directory: string, number: number): number | undefined {
  for (const { bytes, complete } of readLines(directory, [number]))
    return complete ? parseStart(bytes)?.sequence : undefined;
  return undefined;
}
