// The records of custom key stores.
import { z } from 'zod';
import { KeyError } from '../errors.js';
import type { RecordChange, Records } from '../../store/records/records.js';

/** As `custom-key-store/<custom key store id>`. */
const customKeyStoreRecord = z.strictObject({
  customKeyStoreId: z.string(),
  name: z.string(),
  cloudHsmClusterId: z.string(),
  /** As it was given; Keyhold makes no use of it. */
  trustAnchorCertificate: z.string(),
  /**
   * The token's PIN, sealed under {@link customKeyStoreSecretName}; without it the PIN comes from the configuration's
   * source.
   */
  password: z.string().optional(),
  /** When it was last given, in epoch seconds: from then on a login may be tried again. */
  passwordGivenAt: z.number(),
  /** Epoch seconds. */
  createdAt: z.number(),
  /** Whether it is to be connected; then a start of the daemon connects it. */
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

/** @throws KeyError (key-store-not-found) */
export function existingCustomKeyStore(records: Records, customKeyStoreId: string): CustomKeyStoreRecord {
  const record = findCustomKeyStore(records, customKeyStoreId);
  if (record) return record;
  throw new KeyError('key-store-not-found', `There is no custom key store with the ID ${customKeyStoreId}.`);
}

/** In the order of their ids. @param after only those with a greater id */
export function* customKeyStores(records: Records, after = ''): Iterable<CustomKeyStoreRecord> {
  for (const key of records.keys(customKeyStorePrefix, after && customKeyStorePrefix + after)) {
    const record = findCustomKeyStore(records, key.slice(customKeyStorePrefix.length));
    if (record) yield record;
  }
}

/** The change that stores the record of a custom key store. */
export function putCustomKeyStore(record: CustomKeyStoreRecord): RecordChange {
  return { key: customKeyStorePrefix + record.customKeyStoreId, value: JSON.stringify(record) };
}
