// Integrity failures of a store whose records are each authentic: its root or anchor does not match.
import type { Anchor, Root, RootRecord } from './root.js';
import { StoreError } from '../store.js';

/** Epochs that accepting an older store skips: no copy of the refused store is ever newer than what follows. */
export const skippedEpochs = 1_000_000;

interface Facts {
  readonly root?: RootRecord | undefined;
  readonly anchor?: Anchor | undefined;
  /** Records that were found. */
  readonly found: number;
}

/** An integrity failure, with what is known of it. */
export interface IntegrityFailure extends Facts {
  readonly kind: keyof typeof kinds;
}

const kinds = {
  /** The records are not those of the root. */
  'other-records': ({ root, anchor, found }: Facts) => {
    const count = root?.count ?? 0;
    const difference =
      found === count
        ? `There are as many (${found}), but at least one of them is an earlier version or another record`
        : found < count
          ? `There are ${found}: at least ${count - found} were deleted`
          : `There are ${found}: at least ${found - count} deleted records were put back`;
    const older =
      root && anchor && root.epoch < anchor.epoch
        ? ` It is older than the HSM's anchor (${dated(anchor)}), too.`
        : '';
    return `Its root (${dated(root)}) is of ${count} records. ${difference}.${older}`;
  },
  /** The root is missing. */
  'no-root': ({ anchor, found }: Facts) =>
    `Its root is missing, without which it is unknown whether the ${found} records are complete and the newest` +
    `${anchor ? `; the HSM's anchor is of ${dated(anchor)}` : ''}.`,
  /** The HSM has seen a newer one. */
  older: ({ root, anchor }: Facts) =>
    `It is of ${dated(root)}, and the HSM's anchor of ${dated(anchor)}: an earlier copy was put back, or a copy of this home has used the HSM since.`,
  /** The HSM has seen another one of the same epoch. */
  'other-store': ({ root, anchor }: Facts) =>
    `It is of ${dated(root)}, as the HSM's anchor (${dated(anchor)}), but its content is another one: a copy that went ` +
    'its own way was put back, or one has used the HSM.',
} as const;

/** Compares a store with its anchor in the HSM. A newer store is right: the anchor is written after the store. */
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

/** The message of a start that refuses the store. */
export function integrityError(broken: IntegrityFailure): StoreError {
  return new StoreError(
    'rolled-back',
    `The metadata store was changed outside Keyhold. ${describeIntegrityFailure(broken)} Policies, grants and access keys in it ` +
      'may have been changed or revoked since. Put the newest metadata store back; or, where a backup was restored on ' +
      "purpose, let 'keyhold recover store' explain what accepting it means.",
  );
}

function dated(root: Root | undefined): string {
  if (!root) return 'no epoch';
  return `epoch ${root.epoch}, ${new Date(root.at * 1000).toISOString().slice(0, 19)}Z`;
}
