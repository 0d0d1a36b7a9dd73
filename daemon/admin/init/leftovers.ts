// What a run of init made in a home, so that one that fails leaves nothing behind.
import { existsSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** What init makes in a home, beside its journal. */
const made = [
  'keyhold.yaml',
  'tls',
  'tokens',
  'metadata',
  'credentials',
  'audit-public-key.pem',
  'latch',
] as const;

/** Remembers what was there before. */
export class Leftovers {
  readonly #before: ReadonlySet<string>;
  /** The folders of the home's path that were missing, the innermost first. */
  readonly #missing: readonly string[];

  /** @param home absolute path; it need not exist */
  constructor(private readonly home: string) {
    const missing: string[] = [];
    for (let folder = resolve(home); !existsSync(folder); folder = dirname(folder)) missing.push(folder);
    this.#missing = missing;
    this.#before = new Set(paths(home));
  }

  /** Removes the files and folders that init makes and that were not there before. */
  remove(): void {
    for (const path of paths(this.home).reverse()) {
      if (this.#before.has(path)) continue;
      // A folder in which somebody else has put something meanwhile stays.
      if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) rmSync(path, { force: true });
      else if (readdirSync(path).length === 0) rmdirSync(path);
    }
  }

  /** Removes the home and the folders above it, where this run made them and they are empty. */
  removeFolders(): void {
    for (const folder of this.#missing) {
      if (!existsSync(folder) || readdirSync(folder).length > 0) return;
      rmdirSync(folder);
    }
  }
}

/** Every path that init can have made; folders before what they contain. */
function paths(home: string): string[] {
  return made
    .map((name) => join(home, name))
    .filter((path) => existsSync(path))
    .flatMap((path) => [path, ...inside(path)]);
}

function inside(path: string): string[] {
  if (!statSync(path).isDirectory()) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const each = join(path, entry.name);
    return entry.isDirectory() ? [each, ...inside(each)] : [each];
  });
}
