// The format of the audit log: each record is one line of JSON and contains the hash of the previous record.
import { hash } from 'node:crypto';

/** The previous hash of the first record: 64 zeros. */
export const genesisHash = '0'.repeat(64);

/** Maximum length in bytes of a line that readers accept as a record, which bounds their memory. */
export const maxLineLength = 4 * 1024 * 1024;

/** Maximum length of a record's members in UTF-16 units; a unit has at most 3 bytes in UTF-8. */
export const maxMembersLength = 1024 * 1024;

/** The last record of a chain: its sequence number (0: no record yet), and the SHA-256 of its line without its line feed, in lower-case hex. */
export interface ChainHead {
  readonly sequence: number;
  readonly hash: string;
}

/** The head of an empty log. */
export const genesis: ChainHead = { sequence: 0, hash: genesisHash };

/** Returns the start of a record. The order and spelling of these two members are part of the format. */
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
 * Parses the start of a line. Only the first bytes count, as members may contain text that looks like a prefix.
 * @param line without its line feed
 * @returns undefined if the line does not start like a record
 */
export function parseStart(line: Buffer): RecordStart | undefined {
  const match = startPattern.exec(line.toString('latin1', 0, longestStart));
  if (!match) return undefined;
  const [start, sequence, previous] = match as unknown as [string, string, string];
  return { sequence: Number(sequence), previous, membersAt: start.length };
}

/** Whether a line is valid JSON. */
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
