// Writes a backup: a tar archive, compressed with gzip, whose last two entries are its manifest and the manifest's
// signature.
import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { writeNewFile } from '../files/replace-file.js';
import type { Entry } from '../store/store.js';
import { BackupError } from './errors.js';
import { entryNames, type Manifest, manifestMessage } from './manifest.js';
import { encodeRecords, sizeOfRecords } from './records-entry.js';
import { tarEnd, tarHeader, tarPadding } from './tar.js';

/** A file of the home. */
export interface HomeFile {
  /** Relative to the home. */
  readonly path: string;
  readonly bytes: Buffer;
}

/** What goes into a backup. */
export interface BackupContent {
  readonly facts: Omit<Manifest, 'format' | 'entries' | 'madeAt'>;
  /** Every stored value of the metadata store at one time. */
  readonly records: readonly Entry[];
  readonly files: readonly HomeFile[];
}

/** Signs with the audit log's key, ECDSA P-256 over SHA-256, DER. */
export type Sign = (message: Buffer) => Promise<Buffer>;

/** Bytes that are compressed at once: most records are too small for a call of their own. */
const gathered = 64 * 1024;

/**
 * Writes a backup. The file appears under its name complete and on stable storage, mode 0600, or not at all.
 * @param path of the new file, which must not exist
 * @returns its size in bytes and its SHA-256, lower-case hex
 * @throws BackupError 'not-written', HsmError
 */
export async function writeBackup(
  path: string,
  content: BackupContent,
  sign: Sign,
): Promise<{ readonly size: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  let size = 0;
  const archive = pipeline(
    Readable.from(inBlocks(archiveOf(content, sign))),
    createGzip(),
    (error) => void error,
  );
  const counted = async function* () {
    for await (const chunk of archive as AsyncIterable<Buffer>) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  };
  try {
    await writeNewFile(path, counted());
  } catch (error) {
    throw notWritten(path, error) ?? error;
  }
  return { size, sha256: hash.digest('hex') };
}

async function* archiveOf(
  { facts, records, files }: BackupContent,
  sign: Sign,
): AsyncGenerator<Buffer, void> {
  const madeAt = new Date();
  const seconds = Math.floor(madeAt.getTime() / 1000);
  const entries: Manifest['entries'] = [];
  function* entry(name: string, size: number, body: Iterable<Buffer>): Generator<Buffer, void> {
    const hash = createHash('sha256');
    yield tarHeader({ name, size }, seconds);
    for (const chunk of body) {
      hash.update(chunk);
      yield chunk;
    }
    yield tarPadding(size);
    entries.push({ name, size, sha256: hash.digest('hex') });
  }
  yield* entry(entryNames.records, sizeOfRecords(records), encodeRecords(records));
  for (const { path, bytes } of files) yield* entry(entryNames.home + path, bytes.length, [bytes]);
  const manifest: Manifest = { format: 1, madeAt: madeAt.toISOString(), ...facts, entries: [...entries] };
  const bytes = Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
  yield* entry(entryNames.manifest, bytes.length, [bytes]);
  const signature = await sign(manifestMessage(bytes));
  yield* entry(entryNames.signature, signature.length, [signature]);
  yield tarEnd;
}

async function* inBlocks(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let waiting: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    waiting.push(chunk);
    length += chunk.length;
    if (length < gathered) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    length = 0;
  }
  yield Buffer.concat(waiting);
}

const advice: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on its file system',
  EDQUOT: 'make room in the quota',
  EEXIST: 'a file is there already: name another one',
  ENOENT: 'its folder is not there',
  EACCES: 'this user may not write there',
  EROFS: 'its file system is read-only',
};

/** The error of a failed write. @returns undefined if it is not an error of a file system */
function notWritten(path: string, error: unknown): BackupError | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (!code || !(error instanceof Error) || !('syscall' in error)) return undefined;
  const what = advice[code];
  return new BackupError(
    'not-written',
    `The backup ${path} was not written (${code})${what ? `: ${what}` : ''}. Nothing of it is left.`,
    { cause: error },
  );
}
