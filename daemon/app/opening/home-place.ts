// The location of a home. A record keeps it, so that a start can distinguish a moved home from a copied one: a copy has the
// same instance and the same keys, and must not write to the token of the original.
import { realpathSync, statSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError, loadProfile } from '../../config/load.js';
import type { Config } from '../../config/schema.js';
import type { Records } from '../../store/records/records.js';
import { homePaths } from '../../files/home.js';

const placeKey = 'home';

const placeRecord = z.strictObject({
  /** Without symbolic links. */
  path: z.string(),
  /** Inode of the folder: the same after a rename, another one in a copy. */
  inode: z.string(),
});

type Place = z.output<typeof placeRecord>;

/** A move or copy of the home, found at a start. */
export interface Relocation {
  readonly sentence: string;
  /** For the audit log. */
  readonly facts: { readonly movedFrom: string } | { readonly copiedFrom: string };
}

/**
 * Records the location of the home, and detects that it was moved or copied.
 * @returns undefined if it was neither
 * @throws ConfigError if it is a copy, the original still exists, and both would write to the same token
 */
export async function notePlace(
  home: string,
  config: Config,
  records: Records,
): Promise<Relocation | undefined> {
  const now = placeOf(home);
  const text = records.get(placeKey);
  const before = text === undefined ? undefined : placeRecord.parse(JSON.parse(text));
  if (before?.path === now.path && before.inode === now.inode) return undefined;
  const relocation = before && relocationOf(before, now, config, home);
  await records.commit([{ key: placeKey, value: JSON.stringify(now) }]);
  return relocation;
}

function relocationOf(before: Place, now: Place, { hsm }: Config, home: string): Relocation | undefined {
  // Restored in the same place, or reached by another path.
  if (before.path === now.path || isThere(now, before.path)) return undefined;
  if (!isThere(before, before.path)) {
    const sentence = `this home was ${before.path} before, and is ${now.path} now`;
    return { sentence, facts: { movedFrom: before.path } };
  }
  const what = `${now.path} is a copy of the home ${before.path}, which is still there: both have the same keys and credentials`;
  if (!loadProfile(hsm.profile, home).tokenInHome) {
    throw new ConfigError(
      `${what}, and would write into the same token. Nothing was changed. Start ${before.path} instead; or, where this home takes ` +
        'its place, move that one away first.',
    );
  }
  return {
    sentence: `${what}. Each goes its own way from here, with a token of its own`,
    facts: { copiedFrom: before.path },
  };
}

function placeOf(home: string): Place {
  const path = realpathSync(home);
  return { path, inode: String(statSync(path, { bigint: true }).ino) };
}

/** Whether the folder of a place is at a path, with a metadata store in it. */
function isThere({ inode }: Place, path: string): boolean {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  const store = statSync(homePaths(path).metadata, { throwIfNoEntry: false });
  return found !== undefined && String(found.ino) === inode && store !== undefined;
}
