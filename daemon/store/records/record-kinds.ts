// The kinds of records that this version writes. A store with another kind was written by a newer version.
import { StoreError } from '../store.js';

/** The part of a record's key before its first slash, or all of it. */
const kinds: ReadonlySet<string> = new Set([
  'access-key',
  'alias',
  'custom-key-store',
  'deleted-replica',
  'destruction',
  'grant',
  'home',
  'instance',
  'intent',
  'internal-key',
  'key',
  'last-usage',
  'message-count',
  'message-count-starts',
  'observed-clock',
  'owed-event',
  'policy',
  'policy-versions',
  'principal',
  'region-link',
  'root',
  'wrapping-key',
]);

/**
 * Refuses a store with records of unknown kinds, because ignoring them could lead to changes that contradict them.
 * @param keys keys of records whose MACs are correct
 * @throws StoreError 'newer'
 */
export function refuseUnknownKinds(keys: Iterable<string>): void {
  const unknown = new Set<string>();
  for (const key of keys) {
    const [kind = ''] = key.split('/', 1);
    if (!kinds.has(kind)) unknown.add(kind);
  }
  if (unknown.size === 0) return;
  const names = [...unknown].map((kind) => `'${kind}'`).join(', ');
  throw new StoreError(
    'newer',
    `The metadata store was written by a newer Keyhold: it has records of kinds that this version does not know (${names}). ` +
      'Nothing was changed. Run the newer Keyhold, or restore a backup that was made before it ran.',
  );
}
