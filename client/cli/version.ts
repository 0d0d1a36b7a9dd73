// The version of this command line.
import { readFileSync } from 'node:fs';

/**
 * Returns the version of the package that contains this file, from the nearest package.json above it.
 * @throws Error if there is none
 */
export function ownVersion(): string {
  for (let folder = new URL('./', import.meta.url); ; folder = new URL('../', folder)) {
    try {
      const { version } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as {
        version?: string;
      };
      if (version !== undefined) return version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (folder.pathname === '/') throw new Error('There is no package.json above this program.');
  }
}
