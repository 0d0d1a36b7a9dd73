// Keeps a home private to its owner.
import { chmodSync, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../config/load.js';

/** Files with secrets, by folder in the home. The PIN is not among them: a PIN file that others can read is refused. */
const secretFiles: readonly { readonly folder: string; readonly isSecret: (name: string) => boolean }[] = [
  { folder: '.', isSecret: (name) => name === 'credentials' },
  { folder: 'tokens', isSecret: (name) => name === 'so-pin' },
  { folder: 'tls', isSecret: (name) => name.endsWith('.key') },
];

/**
 * Removes all access to a home but its owner's: the folder becomes 0700, and its files with secrets 0600.
 * @returns a sentence for each change
 * @throws ConfigError if others keep access
 */
export function keepHomePrivate(home: string): string[] {
  const said: string[] = [];
  if (restrict(home, 0o700)) said.push(`${home} was open to other users: its mode is 0700 now`);
  for (const { folder, isSecret } of secretFiles) {
    const path = join(home, folder);
    if (!existsSync(path)) continue;
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const file = join(path, entry.name);
      if (entry.isFile() && isSecret(entry.name) && restrict(file, 0o600))
        said.push(
          `${file} was open to other users: its mode is 0600 now; what it holds is no secret from them`,
        );
    }
  }
  return said;
}

/** @returns whether the mode was changed */
function restrict(path: string, mode: number): boolean {
  const found = statSync(path).mode & 0o777;
  if ((found & 0o077) === 0) return false;
  try {
    chmodSync(path, mode);
    return true;
  } catch (error) {
    // A file of root that a group of the daemon's user may read, as Debian's TLS keys, stays as it is.
    if (mode === 0o600 && (found & 0o007) === 0) return false;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new ConfigError(
      `${path} is open to other users of this machine (mode ${found.toString(8)}), and the daemon cannot change that (${code}): ` +
        `run 'chmod ${mode.toString(8)} ${path}' as its owner, or make it the own of the daemon's user.`,
    );
  }
}
