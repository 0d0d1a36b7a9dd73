// Whether a log still has the record that was known to be its newest. Synchronous: for the start and for programs.
import { existsSync } from 'node:fs';
import { fileName, genesis, isJson, type ChainHead, parseStart, recordHash } from './chain.js';
import { listFiles, readLines } from './lines.js';

/** How a log differs from the expected head. */
export interface HeadMismatch {
  readonly kind: 'gone' | 'cut' | 'another';
  /** The record that was durable. */
  readonly expected: ChainHead;
  /** The last record that is there; sequence 0: none. */
  readonly last: ChainHead;
}

/**
 * Looks for a record in the newest files of a log, and whether those after it follow from it.
 * @param expected sequence 0: any log will do
 * @returns undefined where it is there
 * @throws Error of node:fs where a file cannot be read
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
    // What was moved away before the first record that is left is known by the hash that this one gives.
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
    return `It ends with record ${last.sequence}, though record ${sequence} was durable: at least ${sequence - last.sequence} were cut off.`;
  return `It does not hold record ${sequence} as the daemon wrote it: the log was replaced or written anew.`;
}

/** Whether a daemon could write behind a log's last record. */
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

/** The last record of a log; its newest file may be empty. */
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
