// What must be read before a record's MAC can be checked: which store this is, and where the daemon's own keys are.
import { cipherSuites } from '../../../proto/formats/ciphertext.js';
import { z } from 'zod';
import { type CipherKey, HsmError, type KeyStore } from '../../hsm/key-store.js';
import type { InternalKeyPurpose } from '../../keys/index.js';
import { type MetadataStore, StoreError } from '../../store/store.js';

const objectId = z.string().regex(/^[0-9a-f]{32}$/);

const instanceRecord = z.strictObject({
  /** 1: made before stores had a root, and not started since. */
  format: z.literal([1, 2]),
  storeId: z.uuid(),
  account: z.string(),
  region: z.string(),
  /** CKA_IDs of the daemon's own keys, by purpose. */
  internalKeys: z.strictObject({ 'record-mac': objectId, secrets: objectId, 'audit-signing': objectId }),
});

/** One Keyhold: its store, its account and Region, its own keys in the HSM. */
export type Instance = z.output<typeof instanceRecord>;

/**
 * Where the instance lies in the store, outside the records. A copy of it is a record too: whoever changes this one
 * to point at other keys does not get that copy past its MAC.
 */
export const instanceKey = 'meta/instance';
/** The record that holds the copy. */
export const instanceRecordKey = 'instance';

/** The instance of this format, as text of record and store. */
export function instanceText(instance: Instance): string {
  return JSON.stringify({ ...instance, format: 2 } satisfies Instance);
}

/** The newest format of stores that this Keyhold reads. */
const newestFormat = 2;
const anyFormat = z.looseObject({ format: z.int() });

/** Reads a copy. @throws StoreError 'newer' where a later Keyhold wrote it, 'corrupt' where it is no instance */
export function parseInstance(text: string): Instance {
  const value = fromJson(text);
  const format = anyFormat.safeParse(value).data?.format ?? 0;
  if (format > newestFormat) {
    throw new StoreError(
      'newer',
      `The metadata store was written by a newer Keyhold: its format is ${format}, and this one reads up to ${newestFormat}. ` +
        'Nothing was changed. Run the newer Keyhold, or restore a backup that was made before it ran.',
    );
  }
  const parsed = instanceRecord.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new StoreError(
    'corrupt',
    'The instance record is damaged: restore the metadata store from a backup.',
  );
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @returns undefined where the store holds none. @throws StoreError 'newer', 'corrupt' */
export async function readInstance(store: MetadataStore): Promise<Instance | undefined> {
  const bytes = await store.get(instanceKey);
  return bytes && parseInstance(bytes.toString());
}

export function internalObjectId(instance: Instance, purpose: InternalKeyPurpose): Buffer {
  return Buffer.from(instance.internalKeys[purpose], 'hex');
}

/** CKA_LABEL of an internal key. */
export function internalLabel(purpose: InternalKeyPurpose): string {
  return `keyhold/internal/${purpose}`;
}

/**
 * Whether the token holds the internal keys, by CKA_ID and label. The label counts because the instance record is read
 * before a MAC can be checked: it cannot point at a key of somebody who can have MACs made with that key.
 * @throws HsmError 'no-such-object' that says what is missing
 */
export function checkInternalKeys({ internalKeys }: Instance, { objects }: KeyStore): void {
  const missing = Object.entries(internalKeys)
    .filter(([purpose, id]) => {
      const found = objects.filter((object) => object.id.toString('hex') === id);
      return (
        found.length === 0 ||
        found.some(({ label }) => label !== internalLabel(purpose as InternalKeyPurpose))
      );
    })
    .map(([purpose]) => internalLabel(purpose as InternalKeyPurpose));
  if (missing.length === 0) return;
  const others =
    objects.length === 0 ? 'It holds no object at all' : `It holds ${objects.length} objects, but not these`;
  throw new HsmError(
    'no-such-object',
    `The token is not the one that this home was made with: ${missing.join(', ')} of the metadata store are not in it. ${others}. ` +
      'Nothing was changed. Connect the right token, or restore it from its backup (with SoftHSM2, the folder tokens/ of the home).',
  );
}

/** The key that encrypts secrets at rest. */
export function secretsKey(instance: Instance): CipherKey {
  return { suite: cipherSuites.AES_256_GCM, id: internalObjectId(instance, 'secrets') };
}
