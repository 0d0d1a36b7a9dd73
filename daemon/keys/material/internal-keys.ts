// The daemon's own keys that are not needed to read the records, and so are found through records. A home that was created
// before a purpose was added gets its key at the next start.
import { z } from 'zod';
import type { KeyStore, KeyTemplate, ObjectId } from '../../hsm/key-store.js';
import type { Records } from '../../store/records/records.js';
import { generateMaterial } from './intents.js';
import {
  CKA_SIGN,
  CKA_VERIFY,
  CKK_GENERIC_SECRET,
  CKM_GENERIC_SECRET_KEY_GEN,
  secretKey,
} from '../specs/pkcs11.js';

const hmacKey = secretKey(CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, 32, CKA_SIGN, CKA_VERIFY);

const purposes = {
  /** MACs of grant tokens. */
  'grant-tokens': hmacKey,
  /** MACs of import tokens. */
  'import-tokens': hmacKey,
  /** IDs of imported material. Without this key a re-import cannot be recognized as the same material. */
  'material-ids': hmacKey,
} as const satisfies Record<string, KeyTemplate>;

/** The purpose of one of these keys. */
export type RecordedPurpose = keyof typeof purposes;

/** CKA_IDs by purpose. */
export type InternalKeys = Readonly<Record<RecordedPurpose, ObjectId>>;

const objectId = z.string().regex(/^[0-9a-f]{32}$/);

/** Finds the keys, and creates those that are not in the records. @throws HsmError, StoreError */
export async function openInternalKeys(records: Records, store: KeyStore): Promise<InternalKeys> {
  const keys: [string, ObjectId][] = [];
  for (const [purpose, template] of Object.entries(purposes)) {
    const name = `internal-key/${purpose}`;
    if (records.get(name) === undefined) {
      const material = await generateMaterial(records, store, `keyhold/internal/${purpose}`, template);
      await records.commit([
        { key: name, value: JSON.stringify(material.objectId.toString('hex')) },
        material.commit,
      ]);
    }
    keys.push([purpose, Buffer.from(objectId.parse(JSON.parse(records.get(name) ?? '')), 'hex')]);
  }
  return Object.fromEntries(keys) as InternalKeys;
}
