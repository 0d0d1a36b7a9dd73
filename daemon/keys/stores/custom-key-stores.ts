// The records of custom key stores.
import { z } from 'zod';
import { KeyError } from '../errors.js';
import type { RecordChange, Records } from '../../store/records/records.js';

/** The schema of the record `custom-key-store/<custom key store id>`. */
const customKeyStoreRecord = z.strictObject({
  customKeyStoreId: z.string(),
  name: z.string(),
  cloudHsmClusterId: z.string(),
  /** As it was given; Keyhold does not use it. */
  trustAnchorCertificate: z.string(),
  /**
   * The token's PIN, sealed under {@link customKeyStoreSecretName}; without it the PIN comes from the configuration's
   * source.
   */
  password: z.string().optional(),
  /** When the password was last given, in epoch seconds. A new one allows a login again after a refused one. */
  passwordGivenAt: z.number(),
  /** Epoch seconds. */
  createdAt: z.number(),
  /** Whether it should be connected, also after a start of the daemon. */
  connect: z.boolean(),
});

/** The record of a custom key store. */
export type CustomKeyStoreRecord = z.output<typeof customKeyStoreRecord>;

/** Prefix of the keys of these records. */
export const customKeyStorePrefix = 'custom-key-store/';

/** Returns the name that the password of a store is sealed with. */
export function customKeyStoreSecretName(customKeyStoreId: string): string {
  return customKeyStorePrefix + customKeyStoreId;
}

/** Finds a custom key store by ID. */
export function findCustomKeyStore(
  records: Records,
  customKeyStoreId: string,
): CustomKeyStoreRecord | undefined {
  const text = records.get(customKeyStorePrefix + customKeyStoreId);
  return text === undefined ? undefined : customKeyStoreRecord.parse(JSON.parse(text));
}

/** Finds a custom key store by ID. @throws KeyError (key-store-not-found) */
export function existingCustomKeyStore(records: Records, customKeyStoreId: string): CustomKeyStoreRecord {
  const record = findCustomKeyStore(records, customKeyStoreId);
  if (record) return record;
  throw new KeyError('key-store-not-found', `There is no custom key store with the ID ${customKeyStoreId}.`);
}

/** Iterates over the custom key stores in the order of their IDs. @param after only those with a greater ID */
export function* customKeyStores(records: Records, after = ''): Iterable<CustomKeyStoreRecord> {
  for (const key of records.keys(customKeyStorePrefix, after && customKeyStorePrefix + after)) {
    const record = findCustomKeyStore(records, key.slice(customKeyStorePrefix.length));
    if (record) yield record;
  }
}

/** Returns the change that stores the record of a custom key store. */
export function putCustomKeyStore(record: CustomKeyStoreRecord): RecordChange {
  return { key: customKeyStorePrefix + record.customKeyStoreId, value: JSON.stringify(record) };
}
