// The format of the audit log: one record is one line of JSON, and each record carries the hash of the one before.
import { hash } from 'node:crypto';

/** The previous hash of the first record: 64 zeros. */
export const genesisHash = '0'.repeat(64);

/** Bytes of the longest line that a reader takes for a record. Bounds the memory of everything that reads the log. */
export const maxLineLength = 4 * 1024 * 1024;

/** UTF-16 units of the longest members that can be appended; a unit is at most 3 bytes of UTF-8. */
export const maxMembersLength = 1024 * 1024;

/** The last record of a chain: its sequence number (0: no record yet), and its hash in lower-case hex. */
export interface ChainHead {
  readonly sequence: number;
  readonly hash: string;
}

export const genesis: ChainHead = { sequence: 0, hash: genesisHash };

/** How a record begins. The order and spelling of these two members are part of the format. */
export function recordPrefix(sequence: number, previous: string): string {
  return `{"sequence":${sequence},"previous":"${previous}",`;
}

/**
 * SHA-256 over the exact bytes of a line without its line feed, in lower-case hex.
 * A string counts as its UTF-8 bytes, as it is written.
 */
export function recordHash(line: string | Uint8Array): string {
  return hash('sha256', line);
}

/** A record's sequence number, the previous record's hash that it names, and the offset of its members in bytes. */
export interface RecordStart {
  readonly sequence: number;
  readonly previous: string;
  readonly membersAt: number;
}

const startPattern = /^\{"sequence":([1-9][0-9]{0,14}),"previous":"([0-9a-f]{64})",/;
const longestStart = recordPrefix(999_999_999_999_999, genesisHash).length;

/**
 * Reads how a line begins. Members may contain text that looks like a prefix, so only the first bytes decide.
 * @param line without its line feed
 * @returns undefined if it does not begin as a record
 */
export function parseStart(line: Buffer): RecordStart | undefined {
  const match = startPattern.exec(line.toString('latin1', 0, longestStart));
  if (!match) return undefined;
  const [start, sequence, previous] = match as unknown as [string, string, string];
  return { sequence: Number(sequence), previous, membersAt: start.length };
}

/** Whether a line is JSON, whatever it says. */
export function isJson(line: Buffer): boolean {
  try {
    JSON.parse(line.toString());
    return true;
  } catch {
    return false;
  }
}

const fileNamePattern = /^audit-([0-9]{8})\.jsonl$/;

/** The name of the log's n-th file, counted from 1. */
export function fileName(number: number): string {
  return `audit-${String(number).padStart(8, '0')}.jsonl`;
}

/** The numbers of the log's files among the names of a directory, in ascending order. */
export function fileNumbers(names: readonly string[]): number[] {
  return names
    .map((name) => Number(fileNamePattern.exec(name)?.[1] ?? 0))
    .filter((number) => number > 0)
    .sort((a, b) => a - b);
}
