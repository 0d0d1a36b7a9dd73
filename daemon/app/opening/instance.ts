// The instance: identifies the store and the daemon's own keys. It must be read before the MAC of any record can be checked.
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
 * Key of the instance in the store, outside the records. A copy of it is a record with a MAC: whoever changes this one to
 * name other keys cannot change the copy to match.
 */
export const instanceKey = 'meta/instance';
/** The record that holds the copy. */
export const instanceRecordKey = 'instance';

/** The instance in the newest format, as JSON for the record and the store. */
export function instanceText(instance: Instance): string {
  return JSON.stringify({ ...instance, format: 2 } satisfies Instance);
}

/** The newest format of stores that this Keyhold reads. */
const newestFormat = 2;
const anyFormat = z.looseObject({ format: z.int() });

/** Parses an instance. @throws StoreError 'newer' if a newer Keyhold wrote it, 'corrupt' if it is not an instance */
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

/** Reads the instance of a store. @returns undefined if there is none @throws StoreError 'newer', 'corrupt' */
export async function readInstance(store: MetadataStore): Promise<Instance | undefined> {
  const bytes = await store.get(instanceKey);
  return bytes && parseInstance(bytes.toString());
}

/** CKA_ID of an internal key, 16 bytes. */
export function internalObjectId(instance: Instance, purpose: InternalKeyPurpose): Buffer {
  return Buffer.from(instance.internalKeys[purpose], 'hex');
}

/** CKA_LABEL of an internal key. */
export function internalLabel(purpose: InternalKeyPurpose): string {
  return `keyhold/internal/${purpose}`;
}

/**
 * Checks that the token holds the internal keys, by CKA_ID and label. The label matters because the instance is read
 * before its MAC can be checked: a changed instance must not name a key with which others can make MACs.
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
