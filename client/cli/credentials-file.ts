import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { setProfile } from '../credentials.js';
import { UsageError } from './values.js';

interface Secret {
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
}

/**
 * Puts what is made into a profile of a credentials file, mode 0600; its other profiles stay. The file is opened before
 * anything is made: a secret is shown once, and must not be lost because there is nowhere to write it.
 * @throws UsageError where the file cannot be written
 */
export async function writeCredentials<Made extends Secret>(
  path: string,
  profile: string,
  make: () => Promise<Made>,
): Promise<Made> {
  const temporary = `${path}.new`;
  const file = openForWriting(temporary, path);
  try {
    chmodSync(temporary, 0o600);
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const made = await make();
    writeSync(file, setProfile(text, profile, made.accessKeyId ?? '', made.secretAccessKey ?? ''));
    renameSync(temporary, path);
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
    return openSync(temporary, 'w', 0o600);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new UsageError(`--credentials-file: ${path} cannot be written (${code}).`);
  }
}
