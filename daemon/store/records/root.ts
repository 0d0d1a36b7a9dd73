// The authenticated root of a store: what its records are together. Each record's own MAC says that it was written by
// this Keyhold; the root says that it is the newest of its name, and that none is missing.
import { z } from 'zod';

/** The newest durable record of the audit log at one time. */
export interface LogHead {
  readonly sequence: number;
  /** SHA-256 of its line, lower-case hex. */
  readonly hash: string;
}

/** What stands for all records of a store at one time. */
export interface Root {
  /** One more with every batch. */
  readonly epoch: number;
  /** HMAC-SHA-256 over epoch, number and set hash of all records; hex. */
  readonly root: string;
  /** When it was written, seconds since 1970 by this machine's clock. */
  readonly at: number;
  /** What the audit log held then, at least; undefined: an earlier Keyhold wrote it. */
  readonly audit?: LogHead | undefined;
}

/** What the HSM was last told of a store's root. */
export type Anchor = Root;

/** The name of the record that holds the root; it is no member of the set. */
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
  /** Records that it stands for. */
  count: z.int().nonnegative(),
  /** Epoch of the newest anchor that the HSM was known to hold then; 0: none. */
  anchored: epoch,
});

export type RootRecord = z.output<typeof rootRecord>;

/** Reads the root's record, whose MAC was found right. */
export function parseRoot(text: string): RootRecord {
  return rootRecord.parse(JSON.parse(text));
}

const anchorContent = z.strictObject({ format: z.literal([1, 2]), ...rootFields });

/** The content of an anchor, UTF-8. */
export function anchorBytes({ epoch, root, at, audit }: Root): Buffer {
  return Buffer.from(JSON.stringify({ format: audit ? 2 : 1, epoch, root, at, audit }));
}

/** Reads an anchor. @returns undefined where these bytes are none */
export function parseAnchor(bytes: Buffer): Anchor | undefined {
  try {
    return anchorContent.parse(JSON.parse(bytes.toString()));
  } catch {
    return undefined;
  }
}
