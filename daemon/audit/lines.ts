// Reads the log line by line in constant memory. Synchronous, for programs: the daemon never reads its log.
import { closeSync, constants, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { archiveName } from './archive/archived-files.js';
import { fileName, fileNumbers, maxLineLength } from './chain.js';

/** A line of the log. */
export interface Line {
  /** Without its line feed. Valid until the next line is read. */
  readonly bytes: Buffer;
  readonly file: string;
  /** Counted from 1 in its file. */
  readonly number: number;
  /** False: the file ends in this line, without a line feed. */
  readonly complete: boolean;
}

const blockLength = 1024 * 1024;

/**
 * Iterates over the lines of the files with the given numbers.
 * @param archives folder of compressed files, where those are that the log no longer has
 * @throws Error of node:fs if a file cannot be read
 */
export function* readLines(
  directory: string,
  numbers: readonly number[],
  archives?: string,
): Generator<Line, void> {
  for (const number of numbers) {
    const file = fileName(number);
    const isArchived = archives !== undefined && !existsSync(join(directory, file));
    yield* isArchived ? archivedLines(join(archives, archiveName(file)), file) : readFile(directory, file);
  }
}

/** Longest file of the log that is read from its archive, in bytes: it is in memory as a whole. */
const longestArchived = 1024 * 1024 * 1024;

function* archivedLines(path: string, file: string): Generator<Line, void> {
  const bytes = gunzipSync(readFileSync(path), { maxOutputLength: longestArchived });
  let [start, number] = [0, 0];
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, start)) {
    yield { bytes: bytes.subarray(start, at), file, number: ++number, complete: true };
    start = at + 1;
  }
  if (start < bytes.length) yield { bytes: bytes.subarray(start), file, number: ++number, complete: false };
}

/** Returns the numbers of the files in a folder of archives, in ascending order. */
export function listArchives(archives: string): number[] {
  const names = readdirSync(archives).filter((name) => name.endsWith('.gz'));
  return fileNumbers(names.map((name) => name.slice(0, -'.gz'.length)));
}

/** Returns the numbers of the log's files in a directory, in ascending order. */
export function listFiles(directory: string): number[] {
  return fileNumbers(readdirSync(directory));
}

/** Whole lines of a file. */
export interface LineRange {
  /** Bytes before them in their file. */
  readonly begin: number;
  /** Bytes before the next line. */
  readonly end: number;
  /** Lines before them in their file. */
  readonly lines: number;
}

const wholeFile: LineRange = { begin: 0, end: Infinity, lines: 0 };

/** Iterates over some lines of a file. @throws Error of node:fs if it cannot be read */
export function* readFile(directory: string, file: string, range = wholeFile): Generator<Line, void> {
  const descriptor = openSync(join(directory, file), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    let buffer = Buffer.allocUnsafe(blockLength);
    let number = range.lines;
    let kept = 0;
    let position = range.begin;
    for (;;) {
      const room = Math.min(buffer.length - kept, range.end - position);
      const length = readSync(descriptor, buffer, kept, room, position);
      position += length;
      const end = kept + length;
      let start = 0;
      if (length > 0) {
        for (let at = buffer.indexOf(0x0a, kept); at >= 0 && at < end; at = buffer.indexOf(0x0a, start)) {
          yield { bytes: buffer.subarray(start, at), file, number: ++number, complete: true };
          start = at + 1;
        }
      }
      kept = end - start;
      const tooLong = kept > maxLineLength;
      if ((length === 0 && kept > 0) || tooLong) {
        yield { bytes: buffer.subarray(start, end), file, number: ++number, complete: tooLong };
      }
      if (length === 0 || tooLong) return;
      // A line that fills the buffer continues in a larger one.
      const target = start === 0 && end === buffer.length ? Buffer.allocUnsafe(2 * buffer.length) : buffer;
      buffer.copy(target, 0, start, end);
      buffer = target;
    }
  } finally {
    closeSync(descriptor);
  }
}
