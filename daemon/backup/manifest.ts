// The manifest of a backup, and the check of its signature, which needs no HSM.
import { createHash, type KeyObject, verify } from 'node:crypto';
import { z } from 'zod';
import { BackupError } from './errors.js';

/** Names inside a backup. Files of the home are below `home/`, with their paths. */
export const entryNames = {
  records: 'metadata.records',
  home: 'home/',
  manifest: 'manifest.json',
  signature: 'manifest.sig',
} as const;

const sha256 = z.hex().length(64);

const head = z.strictObject({ sequence: z.int().nonnegative(), hash: sha256 });

/** A relative path that stays in the home. */
const path = z.string().refine(isPlainPath, 'a relative path without . and ..');

const elsewhere = z.strictObject({
  /** What it is, such as `the PIN`. */
  what: z.string(),
  /** Where the configuration expects it: a path, `$VARIABLE` or a program. */
  where: z.string(),
});

const manifestSchema = z.strictObject({
  format: z.literal(1),
  /** ISO 8601. */
  madeAt: z.string(),
  /** Version of the Keyhold that made it. */
  version: z.string(),
  account: z.string(),
  region: z.string(),
  /** UUID of the metadata store. */
  storeId: z.string(),
  profile: z.string(),
  /** Whether the files of SoftHSM2's token are in it. */
  withToken: z.boolean(),
  store: z.strictObject({
    /** Records, without the root's. */
    records: z.int().nonnegative(),
    epoch: z.int().nonnegative(),
  }),
  /** The newest durable record of the audit log. */
  audit: head,
  /** What the home needs besides the backup. */
  elsewhere: z.array(elsewhere),
  entries: z.array(z.strictObject({ name: path, size: z.int().nonnegative(), sha256 })),
});

/** The manifest: facts about the home, and the backup's entries in their order, with size and SHA-256. */
export type Manifest = z.output<typeof manifestSchema>;
/** Something that the home needs and the backup does not contain. */
export type Elsewhere = z.output<typeof elsewhere>;

const anyFormat = z.looseObject({ format: z.int() });
const newestFormat = 1;

/** Reads a manifest. @throws BackupError 'newer', 'not-authentic' */
export function parseManifest(bytes: Buffer): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (error) {
    throw new BackupError('not-authentic', 'The manifest of the backup is not JSON.', { cause: error });
  }
  const format = anyFormat.safeParse(value).data?.format ?? 0;
  if (format > newestFormat)
    throw new BackupError(
      'newer',
      `A newer Keyhold made this backup: its format is ${format}, and this one reads up to ${newestFormat}. Restore it with the newer one.`,
    );
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BackupError(
    'not-authentic',
    `The manifest of the backup is malformed: ${z.prettifyError(parsed.error)}.`,
  );
}

const domain = Buffer.from('keyhold backup v1\0', 'latin1');

/**
 * The message that the audit log's key signs: the 17 bytes `keyhold backup v1`, a NUL, and the SHA-256 of the manifest, 32
 * bytes. No other message that this key signs begins like that.
 */
export function manifestMessage(manifest: Buffer): Buffer {
  return Buffer.concat([domain, createHash('sha256').update(manifest).digest()]);
}

/** Whether the signature of a manifest is valid. @param publicKey of the audit log, ECDSA P-256 @param signature DER */
export function isSigned(manifest: Buffer, signature: Buffer, publicKey: KeyObject): boolean {
  return verify('sha256', manifestMessage(manifest), publicKey, signature);
}

function isPlainPath(text: string): boolean {
  if (/[\x00-\x1f\x7f\\]/.test(text)) return false;
  return text.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}
