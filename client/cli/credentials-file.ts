import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setProfile } from '../credentials.js';
import { UsageError } from './input/values.js';

interface Secret {
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
}

/** The temporary file must not exist, so that a link that somebody put in its place is never followed. */
const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Creates an access key and writes it to a profile of a credentials file with mode 0600; other profiles stay. The file is
 * opened before the key is created, because the secret is returned only once and would be lost if the file could not be
 * written. When this returns, the secret is on stable storage.
 * @param make creates the access key
 * @throws UsageError if the file cannot be written
 */
export async function writeCredentials<Made extends Secret>(
  path: string,
  profile: string,
  make: () => Promise<Made>,
): Promise<Made> {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.new`;
  const file = openForWriting(temporary, path);
  try {
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const made = await make();
    writeFileSync(file, setProfile(text, profile, made.accessKeyId ?? '', made.secretAccessKey ?? ''));
    fsyncSync(file);
    renameSync(temporary, path);
    syncFolder(dirname(path));
    return made;
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

function openForWriting(temporary: string, path: string): number {
  try {
    const file = openSync(temporary, newFile, 0o600);
    fchmodSync(file, 0o600);
    return file;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new UsageError(`--credentials-file: ${path} cannot be written (${code}).`);
  }
}

/** Syncs a folder, like daemon/files/replace-file.ts, which the client does not import. */
function syncFolder(path: string): void {
  const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
