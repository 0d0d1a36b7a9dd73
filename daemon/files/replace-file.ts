// Files and folders that survive power cuts.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** A temporary file is always new, and never a link that somebody placed there. */
const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** An unguessable name in the same folder, because a rename is atomic only within one file system. */
function temporaryName(path: string): string {
  return `${path}.${randomBytes(8).toString('hex')}.new`;
}

/**
 * Creates or replaces a file atomically. Its content, its name and the folders above it are on stable storage when this
 * returns. A link in its place is replaced, not followed.
 * @param mode 0600 unless the content is public; the umask does not change it
 * @throws NodeJS.ErrnoException
 */
export function replaceFileSync(path: string, content: string | Uint8Array, mode = 0o600): void {
  makeFolderSync(dirname(path));
  const temporary = temporaryName(path);
  try {
    const file = openSync(temporary, newFile, mode);
    try {
      fchmodSync(file, mode);
      writeFileSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolderSync(dirname(path));
}

/** Like {@link replaceFileSync}, without blocking the event loop. The folder must exist. */
export async function replaceFile(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, newFile, mode);
    try {
      await file.chmod(mode);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Writes a new file from chunks. It appears under its name complete and on stable storage, or not at all.
 * @param path nothing may be there; the folder must exist
 * @throws what the file system says (EEXIST where something is there), or what the chunks throw
 */
export async function writeNewFile(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  mode = 0o600,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, newFile, mode);
    try {
      await file.chmod(mode);
      for await (const chunk of chunks) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike a rename, a link fails where something has the name.
    await link(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(dirname(path));
}

/** Like {@link makeFolderSync}, without blocking the event loop. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const above = dirname(resolve(first));
  for (let folder = resolve(path); folder !== above; folder = dirname(folder)) await syncFolder(folder);
  await syncFolder(above);
}

/** Syncs the names in a folder. @throws NodeJS.ErrnoException */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync().finally(() => folder.close());
}

/** Creates a folder (mode 0700) and missing ones above it; each is on stable storage when this returns. */
export function makeFolderSync(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const above = dirname(resolve(first));
  for (let folder = resolve(path); folder !== above; folder = dirname(folder)) syncFolderSync(folder);
  syncFolderSync(above);
}

/** Syncs the names in a folder. @throws NodeJS.ErrnoException */
export function syncFolderSync(path: string): void {
  const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/**
 * Syncs everything in a folder, including files of other programs, and the folders above it. Folders above that this user
 * may not read are skipped.
 * @throws NodeJS.ErrnoException
 */
export function syncTreeSync(path: string): void {
  syncContent(resolve(path));
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    try {
      syncFolderSync(folder);
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EINVAL', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? ''))
        throw error;
    }
    if (folder === dirname(folder)) return;
  }
}

function syncContent(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) syncContent(path);
    if (!entry.isFile()) continue;
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
  syncFolderSync(folder);
}
