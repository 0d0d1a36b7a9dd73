// Files that a module reads, such as SoftHSM2's configuration with its absolute path of the tokens.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Profile } from '../../config/profile.js';
import { replaceFileSync } from '../../files/replace-file.js';

/**
 * Writes the files of a profile if they differ, as in a home that was copied or moved: its module must not use the tokens
 * of the old location.
 */
export function writeModuleFiles(home: string, { files }: Pick<Profile, 'files'>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(home, name);
    if (read(path) !== content) replaceFileSync(path, content);
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
