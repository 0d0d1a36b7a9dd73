// What must be read before a record's MAC can be checked: which store this is, and where the daemon's own keys are.
import { z } from 'zod';
import type { CipherKey } from './hsm/key-store.js';
import type { InternalKeyPurpose } from './keys/specs.js';
import type { MetadataStore } from './store/store.js';

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

/** Reads a copy. @throws ZodError */
export function parseInstance(text: string): Instance {
  return instanceRecord.parse(JSON.parse(text));
}

/** @returns undefined where the store was not initialised. @throws where it is not readable as an instance */
export async function readInstance(store: MetadataStore): Promise<Instance | undefined> {
  const bytes = await store.get(instanceKey);
  return bytes && parseInstance(bytes.toString());
}

export function internalObjectId(instance: Instance, purpose: InternalKeyPurpose): Buffer {
  return Buffer.from(instance.internalKeys[purpose], 'hex');
}

/** The key that encrypts secrets at rest. */
export function secretsKey(instance: Instance): CipherKey {
  return { suite: 1, id: internalObjectId(instance, 'secrets') };
}
