import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open as openHandle, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SealError, type SealErrorCode } from '../../proto/formats/seal-error.js';
import { open, type OpenOptions } from './open.js';
import { seal, type SealOptions } from './seal.js';

/** Options of sealFile and openFile. */
export interface FileOptions {
  /** Replaces an output that exists already. */
  readonly force?: boolean;
  /** Called as input is read: bytes so far, and in all where the input is a file. */
  readonly onProgress?: (bytes: number, total: number | undefined) => void;
}

/** A path of `-`: standard input or standard output. */
const standardStream = '-';

// One read or write of the disk for eight frames; more only takes more memory.
const chunkSize = 512 * 1024;

/**
 * Seals a file. The output appears under its name complete and on stable storage, with mode 0600, or not at all.
 * @param input path of a regular file, or `-` for standard input
 * @param output path, or `-` for standard output
 * @throws SealError UnusableInput, OutputExists, UnusableOutput; what `seal` throws
 * @example
 *   import { readFile, writeFile } from 'node:fs/promises';
 *   import { connect, openFile, sealFile } from '@keyhold/client';
 *
 *   const client = await connect();
 *   const { keyMetadata } = await client.createKey({});
 *   const { dataKeys } = client;
 *   const encryptionContext = { project: 'example' };
 *   await writeFile('report.txt', 'attack at dawn');
 *   await sealFile('report.txt', 'report.txt.sealed', { dataKeys, keyId: keyMetadata.keyId, encryptionContext });
 *   await openFile('report.txt.sealed', 'report-again.txt', { dataKeys, encryptionContext });
 *   console.log(await readFile('report-again.txt', 'utf8')); // attack at dawn
 *   await client.close();
 */
export async function sealFile(
  input: string,
  output: string,
  options: Omit<SealOptions, 'length'> & FileOptions,
): Promise<void> {
  await transform(input, output, options, (source, length) => seal(source, { ...options, length }));
}

/**
 * Opens a sealed file. The output appears under its name once all of it is verified, with mode 0600, or not at all.
 * With `-` as output a reader of the pipe gets each frame once that frame is verified. It must check how this process ends:
 * only its failure shows that the end is missing.
 * @param input path of a regular file, or `-` for standard input
 * @param output path, or `-` for standard output
 * @throws SealError UnusableInput, OutputExists, UnusableOutput; what `open` throws
 */
export async function openFile(
  input: string,
  output: string,
  options: OpenOptions & FileOptions,
): Promise<void> {
  await transform(input, output, options, (source) => open(source, options));
}

type Transformation = (
  source: AsyncIterable<Uint8Array>,
  length: number | undefined,
) => AsyncGenerator<Buffer, void>;

async function transform(
  input: string,
  output: string,
  options: FileOptions & { signal?: AbortSignal },
  transformation: Transformation,
): Promise<void> {
  options.signal?.throwIfAborted();
  const source = input === standardStream ? undefined : await openInput(input);
  try {
    const stats = await source?.stat();
    const chunks = source ? readChunks(source) : standardInput(options.signal);
    const work = () => transformation(withProgress(chunks, stats?.size, options), stats?.size);
    if (output === standardStream)
      await pipeline(work, process.stdout, { signal: options.signal, end: false });
    else await writeWhole(output, stats, options, work);
  } catch (error) {
    // Streams report an abort as an error of their own.
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    await source?.close();
  }
}

async function openInput(path: string): Promise<FileHandle> {
  // O_NONBLOCK: opening a named pipe without a writer would wait for ever.
  const handle = await openHandle(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw unusable('UnusableInput', path, reason(error), error);
  });
  const stats = await handle.stat();
  if (stats.isFile()) return handle;
  await handle.close();
  const advice = stats.isDirectory() ? 'pack it first, with tar for example' : "give '-' and pipe it in";
  throw unusable('UnusableInput', path, `is ${kind(stats)}, not a regular file; ${advice}`);
}

// A pipe may stay silent for ever; an abort must end the wait.
function standardInput(signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
  return signal ? addAbortSignal(signal, process.stdin) : process.stdin;
}

async function* readChunks(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(chunkSize));
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

async function writeChunks(handle: FileHandle, chunks: AsyncIterable<Buffer>): Promise<void> {
  let gathered: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    gathered.push(chunk);
    length += chunk.length;
    if (length < chunkSize) continue;
    await handle.writeFile(Buffer.concat(gathered));
    gathered = [];
    length = 0;
  }
  await handle.writeFile(Buffer.concat(gathered));
}

async function* withProgress(
  chunks: AsyncIterable<Uint8Array>,
  total: number | undefined,
  { onProgress }: FileOptions,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    onProgress?.(bytes, total);
    yield chunk;
  }
}

async function writeWhole(
  output: string,
  input: Stats | undefined,
  options: FileOptions & { signal?: AbortSignal },
  work: () => AsyncGenerator<Buffer, void>,
): Promise<void> {
  const { force = false, signal } = options;
  await checkOutput(output, input, force);
  // Beside the output, since a rename is atomic only within one file system.
  const temporary = join(dirname(output), `.keyhold-${randomBytes(8).toString('hex')}.partial`);
  const handle = await openHandle(temporary, 'wx', 0o600).catch((error: unknown) => {
    throw unusable('UnusableOutput', output, reason(error), error);
  });
  try {
    try {
      await writeChunks(handle, work());
      await handle.sync();
    } finally {
      await handle.close();
    }
    await checkOutput(output, input, force);
    signal?.throwIfAborted();
    await rename(temporary, output);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(output));
}

async function checkOutput(output: string, input: Stats | undefined, force: boolean): Promise<void> {
  const stats = await lstat(output).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw unusable('UnusableOutput', output, reason(error), error);
  });
  if (!stats) return;
  if (stats.ino === input?.ino && stats.dev === input.dev)
    throw unusable('UnusableOutput', output, 'is the input; name another file');
  // A rename would put a file in the place of the link or device and not write through it.
  if (!stats.isFile())
    throw unusable('UnusableOutput', output, `is ${kind(stats)}, not a regular file; name another file`);
  if (!force)
    throw unusable('OutputExists', output, 'exists already; name another file, or force its replacement');
}

// Makes the rename itself survive a power cut.
async function syncFolder(path: string): Promise<void> {
  const folder = await openHandle(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const kinds = [
  ['isDirectory', 'a directory'],
  ['isSymbolicLink', 'a symbolic link'],
  ['isFIFO', 'a named pipe'],
  ['isSocket', 'a socket'],
  ['isCharacterDevice', 'a device'],
  ['isBlockDevice', 'a device'],
] as const;

function kind(stats: Stats): string {
  return kinds.find(([is]) => stats[is]())?.[1] ?? 'something else';
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist, or its folder does not',
  EACCES: 'is not accessible to this user',
  EPERM: 'is not accessible to this user',
  ENOTDIR: 'has something in its path that is not a folder',
  EISDIR: 'is a directory',
  ENXIO: 'is a socket or device that cannot be read',
  EROFS: 'lies on a read-only file system',
  ENOSPC: 'lies on a file system that is full',
};

function reason(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return reasons[code] ?? `cannot be used (${message})`;
}

function unusable(code: SealErrorCode, path: string, why: string, cause?: unknown): SealError {
  return new SealError(code, `'${path}' ${why}.`, { cause });
}
