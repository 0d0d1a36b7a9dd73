// Reads a closed file of the log once, in small pieces, so that the event loop goes on.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { parseStart, recordHash } from '../chain.js';
import { memberOf, timePattern } from '../members.js';

const pieceLength = 256 * 1024;

/** What a file of the log holds. */
export interface Survey {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly lastHash: string;
  /** Seconds since 1970 of the newest event; events are not in order of time. */
  readonly newest: number;
  readonly bytes: number;
  /** Of the file. */
  readonly sha256: string;
}

/**
 * Reads a file of the log.
 * @returns undefined if it is empty, or not every line of it is the record after the one before
 * @throws Error of node:fs
 */
export async function surveyFile(path: string): Promise<Survey | undefined> {
  const hash = createHash('sha256');
  let [firstSequence, lastSequence, newest, bytes] = [0, 0, 0, 0];
  let lastLine: Buffer = Buffer.alloc(0);
  let rest: Buffer = Buffer.alloc(0);
  const stream: Readable = createReadStream(path, { highWaterMark: pieceLength });
  for await (const piece of stream as AsyncIterable<Buffer>) {
    hash.update(piece);
    bytes += piece.length;
    const block = Buffer.concat([rest, piece]);
    let start = 0;
    for (let at = block.indexOf(0x0a); at >= 0; at = block.indexOf(0x0a, start)) {
      const line = block.subarray(start, at);
      const sequence = parseStart(line)?.sequence;
      if (sequence === undefined || (lastSequence > 0 && sequence !== lastSequence + 1)) return undefined;
      if (firstSequence === 0) firstSequence = sequence;
      lastSequence = sequence;
      const time = memberOf(line, 'eventTime', timePattern);
      newest = Math.max(newest, time === undefined ? 0 : Date.parse(time) / 1000);
      lastLine = line;
      start = at + 1;
    }
    rest = block.subarray(start);
  }
  if (lastSequence === 0 || rest.length > 0) return undefined;
  return {
    firstSequence,
    lastSequence,
    lastHash: recordHash(lastLine),
    newest,
    bytes,
    sha256: hash.digest('hex'),
  };
}
