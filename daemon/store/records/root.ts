// The authenticated root of a store. A record's MAC proves that this Keyhold wrote it; the root proves that each record is the
// newest of its name, and that none is missing.
import { z } from 'zod';

/** The newest durable record of the audit log at one time. */
export interface LogHead {
  readonly sequence: number;
  /** SHA-256 of its line, lower-case hex. */
  readonly hash: string;
}

/** The state of all records of a store at one time. */
export interface Root {
  /** One more with every batch. */
  readonly epoch: number;
  /** HMAC-SHA-256 over epoch, number and set hash of all records; hex. */
  readonly root: string;
  /** When it was written, seconds since 1970 by this machine's clock. */
  readonly at: number;
  /** A record that was durable in the audit log then; undefined: an earlier version wrote the root. */
  readonly audit?: LogHead | undefined;
}

/** The copy of a store's root in the HSM. */
export type Anchor = Root;

/** The name of the root's own record, which is not in the set. */
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
  /** Epoch of the newest anchor known to be in the HSM then; 0: none. */
  anchored: epoch,
});

export type RootRecord = z.output<typeof rootRecord>;

/** Reads the root's record, whose MAC is correct. */
export function parseRoot(text: string): RootRecord {
  return rootRecord.parse(JSON.parse(text));
}

const anchorContent = z.strictObject({ format: z.literal([1, 2]), ...rootFields });

/** The content of an anchor, UTF-8. */
export function anchorBytes({ epoch, root, at, audit }: Root): Buffer {
  return Buffer.from(JSON.stringify({ format: audit ? 2 : 1, epoch, root, at, audit }));
}

/** Reads an anchor. @returns undefined if the bytes are not one */
export function parseAnchor(bytes: Buffer): Anchor | undefined {
  try {
    return anchorContent.parse(JSON.parse(bytes.toString()));
  } catch {
    return undefined;
  }
}
