// The file that the log is being written to: durable appends, rotation, and what is true of it when it is opened.
import { constants, fdatasync as fdatasyncCallback, fdatasyncSync, writeSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { AuditError } from './audit-log.js';
import {
  fileName,
  fileNumbers,
  genesis,
  isJson,
  type Link,
  maxLineLength,
  parseStart,
  recordHash,
} from './chain.js';

/**
 * A write of up to so many bytes is a synchronous copy to the page cache: 2–10 µs for 900 bytes, where the way through
 * the thread pool adds 20–40 µs to an append of 210 µs. Longer ones would keep the event loop for too long.
 */
const synchronousLength = 16 * 1024;

/**
 * Milliseconds of a disk on which an fdatasync may keep the event loop, where nobody else waits for it: the way through the
 * thread pool adds 75 µs to one of 110 µs.
 */
const shortSync = 0.5;
/** Weight of a new measurement of how long one takes, and what is taken for it before there is any. */
const [smoothing, unknownSync] = [1 / 8, 10 * shortSync];

/** 10 µs less than `FileHandle.datasync`. */
const fdatasync = promisify(fdatasyncCallback);

const blockLength = 64 * 1024;

/** A last line that a crash left without its line feed. */
export interface TornLine {
  readonly file: string;
  /** Bytes before it in its file. */
  readonly offset: number;
  /** Its length in bytes. */
  readonly length: number;
}

export interface OpenedLogFile {
  readonly file: LogFile;
  /** The last complete record of the log. */
  readonly last: Link;
  /** That record's line without its line feed; undefined: there is no record yet. */
  readonly lastLine: Buffer | undefined;
  /** What was cut off. */
  readonly torn: TornLine | undefined;
}

export class LogFile {
  /** Milliseconds that an fdatasync took lately. */
  private syncTime = unknownSync;

  private constructor(
    private readonly directory: string,
    private readonly maxFileSize: number,
    private number: number,
    private handle: FileHandle | undefined,
    /** Bytes of the file that are durable. */
    private position: number,
  ) {}

  /**
   * Opens the newest file of a directory, makes the first one where there is none, and cuts off a torn last line.
   * @param maxFileSize bytes; a file that has reached it is followed by a new one
   * @throws AuditError where the last complete line is not a record, or a file cannot be used
   */
  static async open(directory: string, maxFileSize: number): Promise<OpenedLogFile> {
    if (await mkdir(directory, { recursive: true, mode: 0o700 })) await syncDirectory(dirname(directory));
    const numbers = fileNumbers(await readdir(directory));
    const number = numbers.at(-1);
    if (number === undefined) {
      const handle = await create(directory, 1);
      const file = new LogFile(directory, maxFileSize, 1, handle, 0);
      return { file, last: genesis, lastLine: undefined, torn: undefined };
    }
    const handle = await openExisting(directory, number);
    try {
      const { size } = await handle.stat();
      const end = await endOfLastLine(handle, size);
      const older = numbers.at(-2);
      let lastLine: Buffer | undefined;
      if (end > 0) lastLine = await readLineBefore(handle, end);
      else if (older !== undefined) lastLine = await lastLineOf(directory, older);
      const last = lastLine ? linkOf(lastLine, directory) : genesis;
      if (end < size) await handle.truncate(end);
      const torn = end < size ? { file: fileName(number), offset: end, length: size - end } : undefined;
      return { file: new LogFile(directory, maxFileSize, number, handle, end), last, lastLine, torn };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get path(): string {
    return join(this.directory, fileName(this.number));
  }

  /**
   * Writes whole lines after the durable ones and returns when they are durable too.
   * After an error this descriptor must not be used again: `abandon`, then `reopen`.
   * @param alone no other request is under way, which the event loop could keep waiting
   */
  async append(lines: Buffer, alone = false): Promise<void> {
    if (this.position >= this.maxFileSize) await this.rotate();
    const handle = this.openHandle();
    let written = 0;
    while (written < lines.length) {
      const [length, at] = [lines.length - written, this.position + written];
      if (length <= synchronousLength) written += writeSync(handle.fd, lines, written, length, at);
      else written += (await handle.write(lines, written, length, at)).bytesWritten;
    }
    const before = performance.now();
    if (alone && this.syncTime < shortSync) fdatasyncSync(handle.fd);
    else await fdatasync(handle.fd);
    this.syncTime += (performance.now() - before - this.syncTime) * smoothing;
    this.position += lines.length;
  }

  /**
   * Opens the file anew and cuts it back to what is durable.
   * @param last the last durable record, which must be found where it was written
   */
  async reopen(last: Link): Promise<void> {
    this.handle = await openExisting(this.directory, this.number);
    const { size } = await this.handle.stat();
    const found = size >= this.position && (await this.endsWith(this.handle, last));
    if (!found) {
      throw new AuditError(
        `${this.path} no longer holds record ${last.sequence}, which was durable: it was replaced or damaged. ` +
          'Put the file back, or stop the daemon and run `keyhold audit verify`.',
      );
    }
    await this.handle.truncate(this.position);
  }

  /** Gives up the descriptor after an error. What closing it says no longer counts: its data is written anew. */
  abandon(): void {
    const handle = this.handle;
    this.handle = undefined;
    handle?.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.handle?.close();
    this.handle = undefined;
  }

  private async endsWith(handle: FileHandle, last: Link): Promise<boolean> {
    if (this.position === 0) return true;
    if ((await endOfLastLine(handle, this.position)) !== this.position) return false;
    return recordHash(await readLineBefore(handle, this.position)) === last.hash;
  }

  private async rotate(): Promise<void> {
    const next = await create(this.directory, this.number + 1);
    const full = this.openHandle();
    this.handle = next;
    this.number += 1;
    this.position = 0;
    await full.close();
  }

  private openHandle(): FileHandle {
    if (!this.handle) throw new Error('internal error: the audit file is not open');
    return this.handle;
  }
}

/** Makes a file of the log, and its name durable. One that a failure left empty is taken. */
async function create(directory: string, number: number): Promise<FileHandle> {
  const path = join(directory, fileName(number));
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    if ((await handle.stat()).size > 0)
      throw new AuditError(`${path} has content that this daemon did not write.`);
    await handle.chmod(0o600);
    await syncDirectory(directory);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function openExisting(directory: string, number: number): Promise<FileHandle> {
  return open(join(directory, fileName(number)), constants.O_RDWR | constants.O_NOFOLLOW);
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync().finally(() => handle.close());
}

async function lastLineOf(directory: string, number: number): Promise<Buffer> {
  const path = join(directory, fileName(number));
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = await handle.stat();
    if (size === 0 || (await endOfLastLine(handle, size)) !== size) {
      throw new AuditError(`${path} does not end in a whole record, although a later file exists.`);
    }
    return await readLineBefore(handle, size);
  } finally {
    await handle.close();
  }
}

function linkOf(line: Buffer, directory: string): Link {
  const start = parseStart(line);
  if (!start || !isJson(line)) {
    throw new AuditError(
      `The last line of the audit log in ${directory} is complete but not a record, so something else wrote it. ` +
        'Run `keyhold audit verify`; the daemon does not continue a log that it cannot chain to.',
    );
  }
  return { sequence: start.sequence, hash: recordHash(line) };
}

/** The offset after the last line feed before `end`; 0 where there is none. */
async function endOfLastLine(handle: FileHandle, end: number): Promise<number> {
  const block = Buffer.alloc(blockLength);
  for (let from = end; from > 0;) {
    const length = Math.min(blockLength, from);
    from -= length;
    await readExactly(handle, block, length, from);
    const at = block.subarray(0, length).lastIndexOf(0x0a);
    if (at >= 0) return from + at + 1;
  }
  return 0;
}

/** The line whose line feed is the byte before `end`, without it. */
async function readLineBefore(handle: FileHandle, end: number): Promise<Buffer> {
  const start = await endOfLastLine(handle, end - 1);
  const length = end - 1 - start;
  if (length > maxLineLength)
    throw new AuditError(`The audit log has a line of ${length} bytes, which no record has.`);
  const line = Buffer.alloc(length);
  await readExactly(handle, line, length, start);
  return line;
}

async function readExactly(
  handle: FileHandle,
  buffer: Buffer,
  length: number,
  position: number,
): Promise<void> {
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw new AuditError('The audit log became shorter while it was read.');
    done += bytesRead;
  }
}
