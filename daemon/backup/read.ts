// Reads backups: first the whole file, to verify it; then, for a restore, once more, entry by entry.
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { BackupError } from './errors.js';
import { entryNames, isSigned, type Manifest, parseManifest } from './manifest.js';
import { readTar, type TarEntry } from './tar.js';

/** Where the audit log's public key is inside a backup. */
export const includedKeyName = `${entryNames.home}audit-public-key.pem`;

const blockLength = 256 * 1024;
/** Maximum bytes of an entry that is kept in memory before it is verified. */
const longestKept = 64 * 1024 * 1024;

/** A verified backup. */
export class OpenedBackup {
  private constructor(
    private readonly handle: FileHandle,
    readonly manifest: Manifest,
    /** The public key that its signature was verified with. */
    readonly publicKey: KeyObject,
  ) {}

  /**
   * Opens a backup and verifies all of it: each entry must match the manifest, and the manifest must be signed.
   * @param publicKey of the audit log that it belongs to; undefined: the key inside, which proves only that it is complete
   * @param onProgress called with the bytes that were read, and with the size of the file
   * @throws BackupError 'not-authentic', 'newer'; errors of the file system
   */
  static async open(
    path: string,
    publicKey: KeyObject | undefined,
    onProgress: (done: number, total: number) => void,
  ): Promise<OpenedBackup> {
    const handle = await open(path, constants.O_RDONLY);
    try {
      const found = new Map<string, Manifest['entries'][number]>();
      const kept = new Map<string, Buffer>();
      const { size: total } = await handle.stat();
      await eachEntry(
        handle,
        path,
        (done) => onProgress(done, total),
        async ({ name, size }, body) => {
          if (found.has(name)) throw notAuthentic(path, `it has ${name} twice`);
          const isKept = [entryNames.manifest, entryNames.signature, includedKeyName].includes(name);
          if (isKept && size > longestKept) throw notAuthentic(path, `${name} is too long`);
          const hash = createHash('sha256');
          const parts: Buffer[] = [];
          for await (const chunk of body) {
            hash.update(chunk);
            if (isKept) parts.push(Buffer.from(chunk));
          }
          if (isKept) kept.set(name, Buffer.concat(parts));
          found.set(name, { name, size, sha256: hash.digest('hex') });
        },
      );
      const [bytes, signature] = [kept.get(entryNames.manifest), kept.get(entryNames.signature)];
      if (!bytes || !signature) throw notAuthentic(path, 'it has no signed manifest');
      const key = publicKey ?? keyIn(path, kept.get(includedKeyName));
      if (!isSigned(bytes, signature, key))
        throw notAuthentic(path, 'its signature is not of this public key');
      const manifest = parseManifest(bytes);
      const listed = JSON.stringify(manifest.entries);
      const present = [...found.values()].filter(
        ({ name }) => name !== entryNames.manifest && name !== entryNames.signature,
      );
      if (listed !== JSON.stringify(present))
        throw notAuthentic(path, 'its entries are not those that were signed');
      return new OpenedBackup(handle, manifest, key);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * Reads the entries again, without manifest and signature.
   * @throws BackupError 'not-authentic' if the file has changed since it was verified: discard what was read of that entry
   */
  async extract(visit: (entry: TarEntry, body: AsyncIterable<Buffer>) => Promise<void>): Promise<void> {
    const expected = new Map(this.manifest.entries.map((entry) => [entry.name, entry.sha256]));
    await eachEntry(
      this.handle,
      'The backup',
      () => undefined,
      async (entry, body) => {
        const sha256 = expected.get(entry.name);
        if (sha256 === undefined) return;
        const hash = createHash('sha256');
        const hashed = async function* () {
          for await (const chunk of body) {
            hash.update(chunk);
            yield chunk;
          }
        };
        await visit(entry, hashed());
        if (hash.digest('hex') !== sha256)
          throw notAuthentic('The backup', 'it was changed while it was read');
      },
    );
  }

  /** Closes the file. */
  close(): Promise<void> {
    return this.handle.close();
  }
}

async function eachEntry(
  handle: FileHandle,
  path: string,
  onProgress: (done: number) => void,
  visit: (entry: TarEntry, body: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const file = Readable.from(blocksOf(handle, onProgress));
  const chunks = pipeline(file, createGunzip(), (error) => void error) as AsyncIterable<Buffer>;
  try {
    await readTar(chunks, visit);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!(error instanceof RangeError) && !code.startsWith('Z_')) throw error;
    throw new BackupError(
      'not-authentic',
      `${path} is no whole backup of Keyhold: ${(error as Error).message}.`,
      { cause: error },
    );
  }
}

async function* blocksOf(
  handle: FileHandle,
  onProgress: (done: number) => void,
): AsyncGenerator<Buffer, void> {
  for (let at = 0; ;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(blockLength), 0, blockLength, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    onProgress(at);
    yield buffer.subarray(0, bytesRead);
  }
}

function keyIn(path: string, pem: Buffer | undefined): KeyObject {
  try {
    if (pem) return createPublicKey(pem);
  } catch {
    // Reported below.
  }
  throw notAuthentic(path, 'it holds no public key of an audit log');
}

function notAuthentic(path: string, reason: string): BackupError {
  return new BackupError('not-authentic', `${path} is no backup that can be trusted: ${reason}.`);
}
