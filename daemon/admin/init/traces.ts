// Traces of an installation. Where there are some, and no metadata store, a disk is not mounted or files are lost: making
// a new home would give it other keys and credentials.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../config/load.js';
import type { TokenObject } from '../../hsm/key-store.js';
import type { Plan } from './journal.js';
import { homePaths } from '../../files/home.js';

const isAuditFile = (name: string) => /^audit-\d+\.jsonl$/.test(name);
const isAny = () => true;

/** Files that a Keyhold which has run leaves. Not what an operator prepares: `keyhold.yaml`, `tls/`, `tokens/`. */
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
  // Earlier versions of scripts/start made it.
  { name: '.initialised', exists: existsSync },
  // What LevelDB leaves beside a store's own files.
  {
    name: 'metadata/',
    isMadeByInit: true,
    exists: (path) => namesIn(path).some((name) => /^(LOCK|LOG|MANIFEST-)/.test(name)),
  },
];

/**
 * @param isInterrupted a run of init was: what init makes is no trace then
 * @throws ConfigError that names what was found and says what to do
 */
export function refuseTracesInHome(home: string, isInterrupted: boolean): void {
  const found = traces
    .filter(({ name, isMadeByInit, exists }) => !(isInterrupted && isMadeByInit) && exists(join(home, name)))
    .map(({ name }) => name);
  if (found.length === 0) return;
  throw new ConfigError(
    `${home} is the home of a Keyhold: it has ${list(found)}. But its metadata store, ${homePaths(home).metadata}, is not there. ` +
      'Nothing was changed. Mount the disk that it is on, or restore it from a backup, and start again. To begin anew, with ' +
      'other keys and other credentials, move these away first, or use another KEYHOLD_HOME.',
  );
}

const ourLabel = 'keyhold/';
/** Of objects that doctor tries algorithms with. */
const doctorLabel = 'keyhold/doctor';

/**
 * @param tokenName how the configuration names the token
 * @param plan of a run that was interrupted, whose objects are no traces
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
    `The token ${tokenName} holds ${found.length} objects of a Keyhold (${examples}), and ${homePaths(home).metadata} is not there. ` +
      'Nothing was changed. If this is the home of that Keyhold, mount the disk that its metadata store is on, or restore it from ' +
      "a backup, and start again. A new home takes a token of its own; 'keyhold init --share-token' has it share this one.",
  );
}

function list(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)!}`;
}

function namesIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}
