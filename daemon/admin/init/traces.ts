// Traces of an installation. If there are some without a metadata store, a disk is not mounted or files are lost, and a new
// home would have other keys and credentials.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../config/load.js';
import type { TokenObject } from '../../hsm/token-description.js';
import type { Plan } from './journal.js';
import { homePaths } from '../../files/home.js';

const isAuditFile = (name: string) => /^audit-\d+\.jsonl$/.test(name);
const isAny = () => true;

/** Files that a Keyhold leaves once it has run. Not those that an operator prepares: `keyhold.yaml`, `tls/`, `tokens/`. */
const traces: readonly {
  readonly name: string;
  readonly isMadeByInit?: boolean;
  readonly exists: (path: string) => boolean;
}[] = [
  { name: 'audit/', exists: (path) => namesIn(path).some(isAuditFile) },
  { name: 'audit-sinks/', exists: (path) => namesIn(path).some(isAny) },
  { name: 'audit-public-key.pem', isMadeByInit: true, exists: existsSync },
  { name: 'credentials', isMadeByInit: true, exists: existsSync },
  { name: 'env', exists: existsSync },
  // Created by earlier versions of scripts/start.
  { name: '.initialised', exists: existsSync },
  // Files of LevelDB besides the store's own.
  {
    name: 'metadata/',
    isMadeByInit: true,
    exists: (path) => namesIn(path).some((name) => /^(LOCK|LOG|MANIFEST-)/.test(name)),
  },
];

/**
 * Checks that a home has no traces.
 * @param isInterrupted whether a run of init was interrupted, so that files of init are not traces
 * @throws ConfigError that names the traces and says what to do
 */
export function refuseTracesInHome(home: string, isInterrupted: boolean): void {
  const found = traces
    .filter(({ name, isMadeByInit, exists }) => !(isInterrupted && isMadeByInit) && exists(join(home, name)))
    .map(({ name }) => name);
  if (found.length === 0) return;
  throw new ConfigError(
    `${home} is the home of a Keyhold: it has ${list(found)}. But its metadata store ${homePaths(home).metadata} does not exist. ` +
      'Nothing was changed. Mount its disk, or restore it from a backup, and start again. For a new installation with other ' +
      'keys and credentials move these files away first, or use another KEYHOLD_HOME.',
  );
}

const ourLabel = 'keyhold/';
/** Label of the objects with which doctor tries algorithms. */
const doctorLabel = 'keyhold/doctor';

/**
 * Checks that a token has no traces.
 * @param plan the plan of an interrupted run, whose objects are not traces
 * @throws ConfigError that names some of the objects and says what to do
 */
export function refuseTracesInToken(
  objects: readonly TokenObject[],
  plan: Plan | undefined,
  { home, tokenName }: { readonly home: string; readonly tokenName: string },
): void {
  const own = new Set(Object.values(plan?.keys ?? {}).flat());
  const found = objects.filter(
    ({ id, label }) => label.startsWith(ourLabel) && label !== doctorLabel && !own.has(id.toString('hex')),
  );
  if (found.length === 0) return;
  const labels = [...new Set(found.map(({ label }) => label))];
  const examples = labels.slice(0, 3).join(', ') + (labels.length > 3 ? ', …' : '');
  throw new ConfigError(
    `The token ${tokenName} has ${found.length} objects of a Keyhold (${examples}), but ${homePaths(home).metadata} does not exist. ` +
      'Nothing was changed. If this is the home of that Keyhold, mount the disk of its metadata store, or restore it from ' +
      "a backup, and start again. A new home needs a separate token; 'keyhold init --share-token' lets it share this one.",
  );
}

function list(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)!}`;
}

function namesIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}
