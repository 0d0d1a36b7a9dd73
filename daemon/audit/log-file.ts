// The newest file of the log: opening and repair, durable appends, rotation.
import { constants, fdatasync, stat, type Stats, write } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, syncFolder } from '../files/replace-file.js';
import { Distribution, durationBounds } from '../observability/metrics/distribution.js';
import { AuditError } from './audit-log.js';
import {
  fileName,
  fileNumbers,
  genesis,
  isJson,
  type ChainHead,
  maxLineLength,
  parseStart,
  recordHash,
} from './chain.js';

/** O_APPEND, so that the length shows when another program has truncated the file. */
const appending = constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW;

const blockLength = 64 * 1024;

/** A last line without a line feed, which a crash left. */
export interface TornLine {
  readonly file: string;
  /** Bytes before it in its file. */
  readonly offset: number;
  /** Its length in bytes. */
  readonly length: number;
}

/** The result of {@link LogFile.open}. */
export interface OpenedLogFile {
  readonly file: LogFile;
  /** The last complete record of the log. */
  readonly last: ChainHead;
  /** The line of that record without its line feed; undefined if there is no record yet. */
  readonly lastLine: Buffer | undefined;
  /** The line that was cut off, if any. */
  readonly torn: TornLine | undefined;
}

/** The newest file of the log. */
export class LogFile {
  /** Start of the present call to the disk, by performance.now. */
  busySince: number | undefined;
  /** Seconds of each fdatasync. */
  readonly syncs = new Distribution(durationBounds);

  /** A file that another program removed while it was open: its content can be read until it is closed. */
  #lost: FileHandle | undefined;

  private constructor(
    private readonly directory: string,
    private readonly maxFileSize: number,
    private number: number,
    private handle: FileHandle | undefined,
    /** Device and inode of the open file. */
    private identity: Identity,
    /** Bytes of the file that are durable. */
    private position: number,
  ) {}

  /**
   * Opens the newest file of a directory, or creates the first one, and cuts off a torn last line.
   * @param maxFileSize in bytes; a file that has reached it is followed by a new one
   * @throws AuditError if the last complete line is not a record, or a file cannot be used
   */
  static async open(directory: string, maxFileSize: number): Promise<OpenedLogFile> {
    await makeFolder(directory);
    const numbers = fileNumbers(await readdir(directory));
    const number = numbers.at(-1);
    if (number === undefined) {
      const { handle, identity } = await create(directory, 1);
      const file = new LogFile(directory, maxFileSize, 1, handle, identity, 0);
      return { file, last: genesis, lastLine: undefined, torn: undefined };
    }
    const handle = await openExisting(directory, number);
    try {
      const identity = await handle.stat();
      const { size } = identity;
      const end = await endOfLastLine(handle, size);
      const older = numbers.at(-2);
      let lastLine: Buffer | undefined;
      if (end > 0) lastLine = await readLineBefore(handle, end);
      else if (older !== undefined) lastLine = await lastLineOf(directory, older);
      const last = lastLine ? headOf(lastLine, directory) : genesis;
      if (end < size) await cutBack(handle, end);
      const torn = end < size ? { file: fileName(number), offset: end, length: size - end } : undefined;
      const file = new LogFile(directory, maxFileSize, number, handle, identity, end);
      return { file, last, lastLine, torn };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Path of the file. */
  get path(): string {
    return join(this.directory, fileName(this.number));
  }

  /**
   * Writes whole lines after the durable ones and resolves when they are durable too, in the file that the log's path
   * names. After an error this descriptor must not be used again: call {@link abandon}, then {@link reopen}.
   * @throws AuditError if the file was deleted, renamed, replaced or shortened; Error of node:fs
   */
  async append(lines: Buffer): Promise<void> {
    this.busySince = performance.now();
    try {
      if (this.position >= this.maxFileSize) await this.#rotate();
      const { fd } = this.#openHandle();
      await writeAll(fd, lines);
      // In parallel with the disk.
      const [found] = await Promise.all([statOf(this.path), this.#sync(fd)]);
      this.#compare(found, this.position + lines.length);
      this.position += lines.length;
    } finally {
      this.busySince = undefined;
    }
  }

  /**
   * Checks that the log's path still names the open file with all durable bytes. Nothing may be appended meanwhile.
   * @throws AuditError as {@link append}
   */
  async check(): Promise<void> {
    this.busySince = performance.now();
    try {
      this.#compare(await statOf(this.path), this.position);
    } finally {
      this.busySince = undefined;
    }
  }

  /**
   * Reopens the file and truncates it to its durable bytes.
   * @param last the last durable record, which must still be there
   * @throws AuditError if it is not, or the file is missing
   */
  async reopen(last: ChainHead): Promise<void> {
    this.busySince = performance.now();
    try {
      this.handle = await openExisting(this.directory, this.number);
      const opened = await this.handle.stat();
      this.identity = opened;
      const found = opened.size >= this.position && (await this.#endsWith(this.handle, last));
      if (!found) {
        throw new AuditError(
          `${this.path} no longer has record ${last.sequence}, which was durable: it was replaced or damaged. ` +
            `${this.#howToRestore}`,
        );
      }
      await cutBack(this.handle, this.position);
      await this.#lost?.close();
      this.#lost = undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new AuditError(`${this.path} is missing. ${this.#howToRestore}`, { cause: error });
    } finally {
      this.busySince = undefined;
    }
  }

  /** Closes the descriptor after an error. Errors of closing do not matter, because the data is written again. */
  abandon(): void {
    const handle = this.handle;
    this.handle = undefined;
    if (handle !== this.#lost) handle?.close().catch(() => undefined);
  }

  /** Closes the file. */
  async close(): Promise<void> {
    const handles = new Set([this.handle, this.#lost]);
    this.handle = this.#lost = undefined;
    for (const handle of handles) await handle?.close();
  }

  /**
   * @param found the file that the log's path names
   * @param length required length in bytes
   */
  #compare(found: Stats | undefined, length: number): void {
    const { ino, dev } = this.identity;
    if (!found) throw this.#lose('was deleted or renamed');
    if (found.ino !== ino || found.dev !== dev)
      throw this.#lose('is another file than the one that was opened');
    if (found.size !== length)
      throw this.#lose(`has ${found.size} bytes instead of ${length}: another program truncated or wrote it`);
  }

  /** Keeps the open file, because it may be the only way to its content. */
  #lose(what: string): AuditError {
    this.#lost ??= this.handle;
    return new AuditError(
      `${this.path} ${what} while the daemon ran, so nothing more is acknowledged. ${this.#howToRestore}`,
    );
  }

  get #howToRestore(): string {
    const copy = this.#lost
      ? `, or copy it from /proc/${process.pid}/fd/${this.#lost.fd} if it was deleted`
      : '';
    return (
      `Put the file back as it was${copy}; the daemon then continues by itself within 5 s. ` +
      'Exclude these files from logrotate. If the content is lost for good, `keyhold recover audit` records the loss.'
    );
  }

  async #endsWith(handle: FileHandle, last: ChainHead): Promise<boolean> {
    if (this.position === 0) return true;
    if ((await endOfLastLine(handle, this.position)) !== this.position) return false;
    return recordHash(await readLineBefore(handle, this.position)) === last.hash;
  }

  async #sync(fd: number): Promise<void> {
    const began = performance.now();
    await syncData(fd);
    this.syncs.add((performance.now() - began) / 1_000);
  }

  async #rotate(): Promise<void> {
    const { handle, identity } = await create(this.directory, this.number + 1);
    const full = this.#openHandle();
    this.handle = handle;
    this.identity = identity;
    this.number += 1;
    this.position = 0;
    await full.close();
  }

  #openHandle(): FileHandle {
    if (!this.handle) throw new Error('internal error: the audit file is not open');
    return this.handle;
  }
}

/** Identity of a file. */
type Identity = Pick<Stats, 'ino' | 'dev'>;

/** Creates a file of the log durably. An empty one that a failure left is reused. */
async function create(
  directory: string,
  number: number,
): Promise<{ handle: FileHandle; identity: Identity }> {
  const path = join(directory, fileName(number));
  const handle = await open(path, appending | constants.O_CREAT, 0o600);
  try {
    const identity = await handle.stat();
    if (identity.size > 0) throw new AuditError(`${path} has content that this daemon did not write.`);
    await handle.chmod(0o600);
    await syncFolder(directory);
    return { handle, identity };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function openExisting(directory: string, number: number): Promise<FileHandle> {
  return open(join(directory, fileName(number)), appending);
}

/** Truncates a file durably. */
async function cutBack(handle: FileHandle, length: number): Promise<void> {
  await handle.truncate(length);
  await handle.datasync();
}

// Callbacks are 10 µs faster than a FileHandle's methods.

async function writeAll(fd: number, lines: Buffer): Promise<void> {
  for (let written = 0; written < lines.length;) {
    written += await new Promise<number>((resolve, reject) => {
      write(fd, lines, written, lines.length - written, null, (error, length) =>
        error ? reject(error) : resolve(length),
      );
    });
  }
}

/** Makes durable what was written, and the file's length. */
function syncData(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve())));
}

/** @returns undefined if there is no such file */
function statOf(path: string): Promise<Stats | undefined> {
  return new Promise((resolve, reject) => {
    stat(path, (error, found) => {
      if (!error) resolve(found);
      else if (error.code === 'ENOENT' || error.code === 'ENOTDIR') resolve(undefined);
      else reject(error);
    });
  });
}

async function lastLineOf(directory: string, number: number): Promise<Buffer> {
  const path = join(directory, fileName(number));
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = await handle.stat();
    if (size === 0 || (await endOfLastLine(handle, size)) !== size) {
      throw new AuditError(
        `${path} does not end in a whole record, although a later file exists. ` +
          'Put it back as it was, or run `keyhold recover audit`, which explains what accepting the loss means.',
      );
    }
    return await readLineBefore(handle, size);
  } finally {
    await handle.close();
  }
}

function headOf(line: Buffer, directory: string): ChainHead {
  const start = parseStart(line);
  if (!start || !isJson(line)) {
    throw new AuditError(
      `The last line of the audit log in ${directory} is complete but not a record, so something else wrote it. ` +
        'Run `keyhold audit verify`; the daemon does not continue a log that it cannot chain to. ' +
        'If it cannot be restored, `keyhold recover audit` sets it aside.',
    );
  }
  return { sequence: start.sequence, hash: recordHash(line) };
}

/** Returns the offset after the last line feed before `end`; 0 if there is none. */
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

/** Reads the line that ends at `end`, without its line feed. */
async function readLineBefore(handle: FileHandle, end: number): Promise<Buffer> {
  const start = await endOfLastLine(handle, end - 1);
  const length = end - 1 - start;
  if (length > maxLineLength)
    throw new AuditError(`The audit log has a line of ${length} bytes, longer than any record.`);
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
