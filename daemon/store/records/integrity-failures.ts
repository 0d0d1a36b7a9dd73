// Integrity failures of a store whose records are all authentic but do not match its root or anchor.
import type { Anchor, Root, RootRecord } from './root.js';
import { StoreError } from '../store.js';

/** Number of epochs that accepting an older store skips, so that no copy of the refused store is ever newer. */
export const skippedEpochs = 1_000_000;

interface Facts {
  readonly root?: RootRecord | undefined;
  readonly anchor?: Anchor | undefined;
  /** Number of records that were found. */
  readonly found: number;
}

/** An integrity failure and its details. */
export interface IntegrityFailure extends Facts {
  readonly kind: keyof typeof kinds;
}

const kinds = {
  /** The records are not those of the root. */
  'other-records': ({ root, anchor, found }: Facts) => {
    const count = root?.count ?? 0;
    const difference =
      found === count
        ? `The store has that many, but at least one of them is an earlier version or another record`
        : found < count
          ? `The store has ${found}: at least ${count - found} were deleted`
          : `The store has ${found}: at least ${found - count} deleted records were put back`;
    const older =
      root && anchor && root.epoch < anchor.epoch
        ? ` It is also older than the HSM's anchor (${dated(anchor)}).`
        : '';
    return `Its root (${dated(root)}) covers ${count} records. ${difference}.${older}`;
  },
  /** The root is missing. */
  'no-root': ({ anchor, found }: Facts) =>
    `Its root is missing, so it is unknown whether its ${found} records are complete and the newest` +
    `${anchor ? `; the HSM's anchor is of ${dated(anchor)}` : ''}.`,
  /** The HSM's anchor is newer. */
  older: ({ root, anchor }: Facts) =>
    `It is of ${dated(root)}, and the HSM's anchor of ${dated(anchor)}: an earlier copy was put back, or a copy of this home has used the HSM since.`,
  /** The HSM's anchor has the same epoch and other content. */
  'other-store': ({ root, anchor }: Facts) =>
    `It is of ${dated(root)}, like the HSM's anchor (${dated(anchor)}), but its content differs: a copy that diverged ` +
    'was put back, or has used the HSM.',
} as const;

/**
 * Compares a store with its anchor in the HSM. The store may be newer, because the anchor is written after it.
 * @param found number of records in the store
 * @returns the failure, if there is one
 */
export function compareWithAnchor(
  root: RootRecord,
  anchor: Anchor | undefined,
  found: number,
): IntegrityFailure | undefined {
  if (!anchor || root.epoch > anchor.epoch) return undefined;
  if (root.epoch < anchor.epoch) return { kind: 'older', root, anchor, found };
  return root.root === anchor.root ? undefined : { kind: 'other-store', root, anchor, found };
}

/** Describes a failure in a sentence or two. */
export function describeIntegrityFailure(broken: IntegrityFailure): string {
  return kinds[broken.kind](broken);
}

/** Makes the error with which a start refuses the store. */
export function integrityError(broken: IntegrityFailure): StoreError {
  return new StoreError(
    'rolled-back',
    `The metadata store was changed outside Keyhold. ${describeIntegrityFailure(broken)} Policies, grants and access keys in it ` +
      'may have been changed or revoked since. Put the newest metadata store back; or, if a backup was restored on ' +
      "purpose, run 'keyhold recover store', which explains what accepting it means.",
  );
}

function dated(root: Root | undefined): string {
  if (!root) return 'no epoch';
  return `epoch ${root.epoch}, ${new Date(root.at * 1000).toISOString().slice(0, 19)}Z`;
}
