// The newest records that pass filters, for the daemon: it reads files backwards, a bounded part at a time, and waits for no disk.
import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { AuditError } from '../audit-log.js';
import { fileName, fileNumbers, maxLineLength } from '../chain.js';
import type { LineRange } from '../lines.js';
import { FileIndex, type SignedIndexes } from './file-index.js';
import type { Filter } from './filters.js';
import { parseRecord } from './record.js';

const lineFeed = 0x0a;
/** Bytes that are looked at between two turns of the event loop: a few milliseconds. */
const blockLength = 128 * 1024;
/** Milliseconds and bytes after which a call returns what it has. */
const callTime = 400;
const callBytes = 64 * 1024 * 1024;
/** Bytes of records in one response. */
const responseBytes = 1024 * 1024;

/** A place between two records: a file, and bytes from its beginning. */
export interface LogPosition {
  readonly number: number;
  readonly offset: number;
}

/** Records that were found, the newest first, and where older ones may be. */
export interface NewestRecords {
  /** Without their line feeds. */
  readonly lines: readonly string[];
  readonly next: LogPosition | undefined;
}

/** Reads the newest records of a log. Calls run one after another, so their memory is that of one. */
export class AuditReader {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param directory of the log's files
   * @param indexes default: everything is read
   */
  constructor(
    readonly directory: string,
    readonly indexes?: SignedIndexes,
  ) {}

  /**
   * Reads backwards until there are enough records, or the call has taken its time.
   * @param from where to begin; at the log's end if not given
   * @param limit the most records to return
   * @throws AuditError if there is no log; Error of node:fs if it cannot be read
   */
  newest(filters: readonly Filter[], from: LogPosition | undefined, limit: number): Promise<NewestRecords> {
    const call = this.#last.then(() => new Call(filters, limit).read(this, from));
    this.#last = call.catch(() => undefined);
    return call;
  }
}

/** One call, and what it may still take. */
class Call {
  readonly #lines: string[] = [];
  readonly #deadline = performance.now() + callTime;
  #read = 0;
  #found = 0;

  constructor(
    private readonly filters: readonly Filter[],
    private readonly limit: number,
  ) {}

  async read(
    { directory, indexes }: Pick<AuditReader, 'directory' | 'indexes'>,
    from: LogPosition | undefined,
  ): Promise<NewestRecords> {
    const numbers = fileNumbers(await readdir(directory));
    if (numbers.length === 0) throw new AuditError(`There is no audit log in ${directory}.`);
    const newest = numbers.at(-1);
    for (const number of numbers.reverse()) {
      if (from && number > from.number) continue;
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
      const handle = await open(join(directory, fileName(number)), flags);
      try {
        const file = await handle.stat();
        const { size } = file;
        const end = from?.number === number ? Math.min(from.offset, size) : size;
        const isIndexed = indexes !== undefined && number !== newest && this.filters.length > 0;
        const index = isIndexed ? await FileIndex.load(indexes, number, file) : undefined;
        const ranges = index?.ranges(this.filters) ?? [{ begin: 0, end: size, lines: 0 }];
        const offset = await this.#file(handle, end, ranges);
        if (offset > 0) return { lines: this.#lines, next: { number, offset } };
        if (this.#isDone && number > numbers.at(-1)!)
          return { lines: this.#lines, next: { number, offset: 0 } };
      } finally {
        await handle.close();
      }
    }
    return { lines: this.#lines, next: undefined };
  }

  get #isDone(): boolean {
    return (
      this.#lines.length >= this.limit ||
      this.#found >= responseBytes ||
      this.#read >= callBytes ||
      performance.now() >= this.#deadline
    );
  }

  /** Reads parts of a file backwards. @returns where the lines begin that were looked at; 0: at the beginning */
  async #file(handle: FileHandle, from: number, ranges: readonly LineRange[]): Promise<number> {
    let end = from;
    let length = blockLength;
    while (end > 0 && !this.#isDone) {
      const range = ranges.findLast((each) => each.begin < end);
      if (!range) return 0;
      end = Math.min(end, range.end);
      const begin = Math.max(range.begin, end - length);
      const block = Buffer.alloc(end - begin);
      const { bytesRead } = await handle.read(block, 0, block.length, begin);
      // A file that became shorter is cut back to what is durable.
      const bytes = block.subarray(0, bytesRead);
      this.#read += bytesRead;
      // The first line of the block may begin before it; a last one without a line feed is not complete.
      const first = begin === range.begin ? 0 : bytes.indexOf(lineFeed) + 1;
      const last = bytes.lastIndexOf(lineFeed) + 1;
      const isTooShort = begin > range.begin && first >= last;
      if (isTooShort && length <= maxLineLength) {
        length *= 2;
        continue;
      }
      length = blockLength;
      end = isTooShort ? begin : begin + this.#block(bytes.subarray(0, last), first);
      await setImmediate();
    }
    return end;
  }

  /** Looks at whole lines from the last one on. @returns where the first of them begins */
  #block(bytes: Buffer, first: number): number {
    let end = bytes.length;
    while (end > first && this.#lines.length < this.limit && this.#found < responseBytes) {
      const begin = end < 2 ? 0 : Math.max(first, bytes.lastIndexOf(lineFeed, end - 2) + 1);
      const line = bytes.subarray(begin, end - 1);
      end = begin;
      if (!this.filters.every(({ mayPass }) => mayPass?.(line) ?? true)) continue;
      const record = parseRecord(line);
      if (!record || !this.filters.every(({ passes }) => passes(record))) continue;
      this.#lines.push(line.toString());
      this.#found += line.length;
    }
    return end;
  }
}
