// Reads durable records from a position onwards, in constant memory, while the log is being written.
import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AuditError } from '../audit-log.js';
import { isArchivedUpTo } from '../search.js';
import { fileName, fileNumbers, maxLineLength, parseStart } from '../chain.js';
import type { Position } from './position.js';

const blockLength = 64 * 1024;
/** Bytes that are enough to read how a record begins. */
const startLength = 256;

/** A record and its sequence number. */
export interface SequencedLine {
  readonly sequence: number;
  /** Without its line feed; valid until the next read. */
  readonly line: Buffer;
}

/** Consecutive records. */
export interface Batch {
  readonly records: readonly SequencedLine[];
  /** The position after them. */
  readonly end: Position;
}

/** Reads the files of the log. */
export class RecordReader {
  #handle: FileHandle | undefined;
  #block = Buffer.allocUnsafe(blockLength);

  /** @param position where reading begins */
  constructor(
    private readonly directory: string,
    private position: Position,
  ) {}

  /**
   * Reads the next records, as many as fit into a block of 64 KiB and at least one.
   * @param durable sequence number of the newest durable record: later ones in the file may still be cut off
   * @returns undefined if there is none yet
   * @throws AuditError if the log does not continue at the position; Error of node:fs
   */
  async next(durable: number): Promise<Batch | undefined> {
    while (this.position.sequence < durable) {
      this.#handle ??= await this.#open();
      const { bytesRead } = await this.#handle.read(this.#block, 0, this.#block.length, this.position.offset);
      const batch = this.#take(this.#block.subarray(0, bytesRead), durable);
      if (batch) return batch;
      if (bytesRead === this.#block.length && bytesRead <= maxLineLength) {
        // A line that fills the block.
        this.#block = Buffer.allocUnsafe(2 * bytesRead);
      } else if (bytesRead === 0) {
        // Nothing is appended to a file once the next one exists, so the durable record must be in the next one.
        await this.close();
        this.position = { ...this.position, file: await this.#following(), offset: 0 };
      } else {
        throw new AuditError(this.#fault('does not continue there with a record'));
      }
    }
    return undefined;
  }

  /** Closes the open file. */
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#block = Buffer.allocUnsafe(blockLength);
    await handle?.close();
  }

  #take(block: Buffer, durable: number): Batch | undefined {
    const records: SequencedLine[] = [];
    let { sequence } = this.position;
    let start = 0;
    for (let at = block.indexOf(0x0a); at >= 0 && sequence < durable; at = block.indexOf(0x0a, start)) {
      const line = block.subarray(start, at);
      if (parseStart(line)?.sequence !== sequence + 1)
        throw new AuditError(this.#fault('continues with another'));
      sequence += 1;
      records.push({ sequence, line });
      start = at + 1;
    }
    if (records.length === 0) return undefined;
    const { file, offset } = this.position;
    this.position = { file, offset: offset + start, sequence };
    return { records, end: this.position };
  }

  async #open(): Promise<FileHandle> {
    const path = join(this.directory, fileName(this.position.file));
    try {
      return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      // A new sink begins with the first record that is there: those before it were archived.
      if (this.position.sequence > 0) throw new AuditError(this.#fault('is missing'));
      return await this.#openFirst();
    }
  }

  async #openFirst(): Promise<FileHandle> {
    const [first] = fileNumbers(await readdir(this.directory));
    if (first === undefined || first === this.position.file) throw new AuditError(this.#fault('is missing'));
    const handle = await open(
      join(this.directory, fileName(first)),
      constants.O_RDONLY | constants.O_NOFOLLOW,
    );
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(startLength), 0, startLength, 0);
    const start = parseStart(buffer.subarray(0, bytesRead));
    const before = start && { sequence: start.sequence - 1, hash: start.previous };
    if (!before || !(await isArchivedUpTo(this.directory, before))) {
      await handle.close();
      throw new AuditError(this.#fault('is missing'));
    }
    this.position = { file: first, offset: 0, sequence: before.sequence };
    return handle;
  }

  async #following(): Promise<number> {
    const numbers = fileNumbers(await readdir(this.directory));
    const next = numbers.find((number) => number > this.position.file);
    if (next === undefined) throw new AuditError(this.#fault('ends before'));
    return next;
  }

  #fault(what: string): string {
    const { file, offset, sequence } = this.position;
    return (
      `Record ${sequence + 1} was expected at byte ${offset} of ${fileName(file)}, which ${what}. ` +
      'Put the file back as it was, and run `keyhold audit verify`; nothing is sent until then.'
    );
  }
}
