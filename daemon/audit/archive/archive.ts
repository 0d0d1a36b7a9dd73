// Moves old files of the log to another folder, compressed. Nothing is deleted before its copy was read back from stable
// storage, and before a record of the chain, which a checkpoint signs, says where it went.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { syncFolder, writeNewFile } from '../../files/replace-file.js';
import { fileName, fileNumbers } from '../chain.js';
import { type ArchivedFile, archiveName } from './archived-files.js';
import { type Survey, surveyFile } from './survey.js';

export type ArchiveErrorCode =
  /** The folder is not there, or no place for archives. */
  | 'no-folder'
  /** A sink has not delivered the records yet; or another archive is being made. */
  | 'not-yet'
  /** The file system refused it, or another file has an archive's name. */
  | 'not-written';

/** Files that cannot be archived; the message says what to do. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';

  constructor(
    readonly code: ArchiveErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The log whose files are archived. */
export interface ArchivableLog {
  /** Folder of the log. */
  readonly directory: string;
  /** Sequence number of the newest durable record. */
  readonly durable: () => number;
  /** The newest record that each sink has delivered, by the sink's name. */
  readonly delivered: () => Readonly<Record<string, number>>;
  /** Writes the event that says what was archived, and a checkpoint that covers it; both are durable then. @throws AuditError */
  readonly record: (directory: string, files: readonly ArchivedFile[]) => Promise<void>;
}

/** Files that one record names: it stays well below the longest one. */
const filesPerRecord = 100;

/**
 * Archives the oldest files whose records are all from before a time. The newest file with records stays.
 * If it is interrupted, nothing is lost; run again it finishes.
 * @param to absolute path of a folder that exists
 * @param before seconds since 1970
 * @returns the archives, in the log's order
 * @throws ArchiveError, AuditError
 */
export async function archiveFiles(
  log: ArchivableLog,
  to: string,
  before: number,
): Promise<readonly ArchivedFile[]> {
  await checkFolder(log, to);
  const archived: ArchivedFile[] = [];
  for (;;) {
    const group = await copyOldest(log, to, before);
    if (group.length === 0) return archived;
    await log.record(to, group);
    for (const { file } of group) {
      await rm(join(log.directory, file));
      // In order: a file that is there never has a predecessor that is not.
      await syncFolder(log.directory);
    }
    archived.push(...group);
  }
}

/** Copies the oldest files that may go, at most as many as one record names. */
async function copyOldest(log: ArchivableLog, to: string, before: number): Promise<ArchivedFile[]> {
  const numbers = fileNumbers(await readdir(log.directory));
  const copied: ArchivedFile[] = [];
  for (const number of numbers.slice(0, -1)) {
    const file = fileName(number);
    const survey = await surveyFile(join(log.directory, file));
    if (!survey)
      throw new ArchiveError(
        'not-written',
        `${file} is not a whole file of the log: see 'keyhold audit verify'. Nothing more was archived.`,
      );
    // A start continues the chain behind the last record, so a later file must have a durable one.
    if (survey.newest >= before || survey.lastSequence >= log.durable()) break;
    const behind = Object.entries(log.delivered()).find(([, sequence]) => sequence <= survey.lastSequence);
    if (behind) {
      if (copied.length > 0) break;
      throw new ArchiveError(
        'not-yet',
        `The audit sink ${behind[0]} has delivered the records up to ${behind[1]}, and ${file} ends with ${survey.lastSequence}. ` +
          'Files go when each sink has delivered more than is in them.',
      );
    }
    copied.push(await copy(log.directory, file, to, survey));
    if (copied.length === filesPerRecord) break;
  }
  return copied;
}

/** Copies a file, or takes the copy that an interrupted run left. */
async function copy(directory: string, file: string, to: string, survey: Survey): Promise<ArchivedFile> {
  const archive = archiveName(file);
  const path = join(to, archive);
  const source = createReadStream(join(directory, file));
  try {
    const isThere = (await stat(path).catch(() => undefined)) !== undefined;
    if (!isThere)
      await writeNewFile(
        path,
        pipeline(source, createGzip(), (error) => void error) as AsyncIterable<Buffer>,
      );
    const [sha256, archiveSha256] = await readBack(path);
    if (sha256 !== survey.sha256)
      throw new ArchiveError(
        'not-written',
        `${path} ${isThere ? 'was there already, and is not a copy' : 'is no exact copy'} of ${file}: move it away, and try again. ${file} is untouched.`,
      );
    const { firstSequence, lastSequence, lastHash, bytes } = survey;
    return { file, firstSequence, lastSequence, lastHash, bytes, sha256, archive, archiveSha256 };
  } catch (error) {
    throw notWritten(path, error) ?? error;
  } finally {
    source.destroy();
  }
}

/** SHA-256 of what an archive holds, and of the archive; '' for what cannot be read. */
async function readBack(path: string): Promise<[content: string, archive: string]> {
  const [content, archive] = [createHash('sha256'), createHash('sha256')];
  const source = createReadStream(path);
  source.on('data', (chunk: string | Buffer) => archive.update(chunk));
  try {
    const chunks = pipeline(source, createGunzip(), (error) => void error) as AsyncIterable<Buffer>;
    for await (const chunk of chunks) content.update(chunk);
  } catch (error) {
    if (!((error as NodeJS.ErrnoException).code ?? '').startsWith('Z_')) throw error;
    return ['', ''];
  }
  return [content.digest('hex'), archive.digest('hex')];
}

async function checkFolder({ directory }: ArchivableLog, to: string): Promise<void> {
  const found = isAbsolute(to) ? await stat(to).catch(() => undefined) : undefined;
  if (found?.isDirectory() !== true)
    throw new ArchiveError(
      'no-folder',
      `${to} is not the absolute path of a folder on the daemon's machine: make it first, where the daemon may write.`,
    );
  if (resolve(to) === resolve(directory))
    throw new ArchiveError('no-folder', `${to} is the folder of the log itself: name another one.`);
}

/** @returns undefined if it is no error of a file system */
function notWritten(path: string, error: unknown): ArchiveError | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || !(error instanceof Error) || !('syscall' in error)) return undefined;
  return new ArchiveError(
    'not-written',
    `The archive ${path} could not be written (${code}). The log's file is untouched; make room or give the daemon's user the right to it, and try again.`,
    { cause: error },
  );
}
