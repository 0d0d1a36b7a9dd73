import type { RecordChange } from '../store/records/records.js';
import { grantNames } from './grants/grant.js';
import { wrappingKeyNames } from './import/wrapping-keys.js';
import type { Keyring } from './keyring.js';
import { lastUsageKey } from './last-usage.js';
import { messageCountKey } from './material/message-counts.js';
import { type KeyRecord, materialsOf } from './record.js';

/** Returns the changes that remove a key and everything that belongs to it. */
export function removeKey(keyring: Keyring, record: KeyRecord): RecordChange[] {
  const { keyId } = record;
  const keys = [
    `key/${keyId}`,
    lastUsageKey(keyId),
    ...[...keyring.aliasesOf(keyId)].map(({ aliasName }) => aliasName),
    ...materialsOf(record).map(({ materialId }) => messageCountKey(materialId)),
    ...wrappingKeyNames(keyring.records, keyId),
    ...grantNames(keyring.records, keyId),
  ];
  return keys.map((key) => ({ key, value: undefined }));
}
