// A token of SoftHSM2 that an interrupted run of init left half made: no call gets past it. It was never used.
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolderSync } from '../../files/replace-file.js';
import { homePaths } from '../../files/home.js';

/** Files of a token that holds no object. */
const emptyTokenFiles: ReadonlySet<string> = new Set(['token.object', 'token.lock', 'generation']);

/**
 * Moves token folders without any object beside the folder of the tokens, where no module looks. Nothing is destroyed. To be
 * called only where no Keyhold has used the home yet, and the module cannot make its token.
 * @returns where they are now; none: there were none
 */
export function setTornTokensAside(home: string): string[] {
  const folder = homePaths(home).softhsmTokens;
  if (!existsSync(folder)) return [];
  const torn = readdirSync(folder, { withFileTypes: true }).filter(
    (entry) =>
      entry.isDirectory() && readdirSync(join(folder, entry.name)).every((name) => emptyTokenFiles.has(name)),
  );
  const moved = torn.map(({ name }) => {
    const aside = join(homePaths(home).tokens, `half-made-${name}`);
    renameSync(join(folder, name), aside);
    return aside;
  });
  for (const path of [folder, homePaths(home).tokens]) syncFolderSync(path);
  return moved;
}
