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

/** The temporary file is made anew and is never a link that somebody put in its place. */
const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Puts what is made into a profile of a credentials file, mode 0600; its other profiles stay. The file is opened before
 * anything is made: a secret is shown once, and must not be lost because there is nowhere to write it. When this returns
 * the secret is on stable storage.
 * @throws UsageError where the file cannot be written
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

/** As in daemon/files/replace-file.ts, which the client does not import. */
function syncFolder(path: string): void {
  const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
