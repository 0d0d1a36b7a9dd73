// Sets aside a SoftHSM2 token that an interrupted init left half-written, on which every call fails. It was never used.
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolderSync } from '../../files/replace-file.js';
import { homePaths } from '../../files/home.js';

/** Files of a token without objects. */
const emptyTokenFiles: ReadonlySet<string> = new Set(['token.object', 'token.lock', 'generation']);

/**
 * Moves token folders without objects out of the folder of the tokens, so that the module does not see them. Nothing is
 * destroyed. Call it only if no Keyhold has used the home yet and the module cannot initialise its token.
 * @returns the new paths
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
