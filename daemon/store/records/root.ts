// The authenticated root of a store. A record's MAC proves that this Keyhold wrote it; the root proves that each record is
// the newest of its name and that none is missing.
import { z } from 'zod';

/** The newest durable record of the audit log at a point in time. */
export interface LogHead {
  readonly sequence: number;
  /** SHA-256 of its line, lower-case hex. */
  readonly hash: string;
}

/** The state of all records of a store at a point in time. */
export interface Root {
  /** Incremented by every batch. */
  readonly epoch: number;
  /** HMAC-SHA-256 of epoch, number and set hash of all records; hex. */
  readonly root: string;
  /** Time of writing in epoch seconds, by this machine's clock. */
  readonly at: number;
  /** A record that was durable in the audit log at that time; absent in roots of earlier versions. */
  readonly audit?: LogHead | undefined;
}

/** The copy of a store's root in the HSM. */
export type Anchor = Root;

/** The key of the root's record, which is not part of the set. */
export const rootKey = 'root';

const epoch = z.int().nonnegative();

const hash = z.hex().length(64);

const rootFields = {
  epoch,
  root: hash,
  at: z.number(),
  audit: z.strictObject({ sequence: z.int().nonnegative(), hash }).optional(),
};

const rootRecord = z.strictObject({
  ...rootFields,
  /** Number of records in the set. */
  count: z.int().nonnegative(),
  /** Epoch of the newest anchor that was known to be in the HSM at that time; 0 if none. */
  anchored: epoch,
});

/** The content of the root's record. */
export type RootRecord = z.output<typeof rootRecord>;

/** Parses the root's record, whose MAC has been verified. */
export function parseRoot(text: string): RootRecord {
  return rootRecord.parse(JSON.parse(text));
}

const anchorContent = z.strictObject({ format: z.literal([1, 2]), ...rootFields });

/** Encodes an anchor in UTF-8. */
export function anchorBytes({ epoch, root, at, audit }: Root): Buffer {
  return Buffer.from(JSON.stringify({ format: audit ? 2 : 1, epoch, root, at, audit }));
}

/** Parses an anchor. @returns undefined if the bytes are not an anchor */
export function parseAnchor(bytes: Buffer): Anchor | undefined {
  try {
    return anchorContent.parse(JSON.parse(bytes.toString()));
  } catch {
    return undefined;
  }
}
