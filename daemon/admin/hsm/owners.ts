// Finds the owners of a token's objects: by the records of the metadata store if they can be read, else by the labels.
import { existsSync } from 'node:fs';
import { type Key as TokenKey, ObjectClass, type Session } from 'graphene-pk11';
import { readInstance } from '../../app/opening/instance.js';
import { Keyring, materialsOf, Namer, storeIdOf } from '../../keys/index.js';
import { openStore } from '../../app/opening/open-store.js';
import { Records } from '../../store/records/records.js';
import { type MetadataStore, StoreError } from '../../store/store.js';
import type { ObjectEntry } from './inventory.js';
import { homePaths } from '../../files/home.js';

/** The owner of an object. */
export interface Owner {
  /**
   * `key`: a record of this home names the object as material of a key. `key material`: only its label names a key. The other
   * kinds are also recognised by the label.
   */
  readonly kind:
    | 'key'
    | 'key material'
    | 'wrapping key'
    | 'link key'
    | 'audit key'
    | 'internal key'
    | 'anchor'
    | 'doctor'
    | 'foreign';
  readonly keyId?: string;
  /** Aliases of the key. */
  readonly aliases?: readonly string[];
  /** Whether it is the key's current material. */
  readonly isCurrent?: boolean;
}

/** Finds the owner of an object. */
export type OwnerFinder = (object: ObjectEntry) => Owner;

/** A finder of owners, and the reason if it does not use the records. */
export interface Owners {
  readonly find: OwnerFinder;
  /** A sentence; absent: the records were read. */
  readonly note?: string;
}

/** The labels of Keyhold's objects, the most specific ones first. */
const labels: readonly (readonly [pattern: RegExp, kind: Owner['kind']])[] = [
  [/^keyhold\/internal\/audit-signing$/, 'audit key'],
  [/^keyhold\/internal\/anchor\//, 'anchor'],
  [/^keyhold\/internal\//, 'internal key'],
  [/^keyhold\/wrapping\/(?<keyId>[^/]+)$/, 'wrapping key'],
  [/^keyhold\/link\//, 'link key'],
  [/^keyhold\/doctor$/, 'doctor'],
  [/^keyhold\/(?<keyId>[0-9a-f-]{36}|mrk-[0-9a-f]{32})$/, 'key material'],
];

/** Finds the owner that an object's label names. Other programs can use such labels too. */
export const ownerByLabel: OwnerFinder = ({ label }) => {
  for (const [pattern, kind] of labels) {
    const match = pattern.exec(label);
    if (match) return { kind, ...(match.groups?.keyId !== undefined && { keyId: match.groups.keyId }) };
  }
  return { kind: 'foreign' };
};

/**
 * Finds the owners of the default token's objects by the records of the home, whose MACs are verified with the token's key.
 * If a running daemon has the store open, the labels decide.
 * @param session logged in to the default token
 */
export async function readOwners(home: string, session: Session): Promise<Owners> {
  const path = homePaths(home).metadata;
  if (!existsSync(path)) return byLabel(`There is no metadata store in ${home}.`);
  let store: MetadataStore;
  try {
    store = await openStore(home);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return byLabel(
      error.code === 'locked'
        ? 'A daemon has the metadata store open: stop it to see aliases.'
        : error.message,
    );
  }
  try {
    return await readRecords(store, session);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return byLabel(error.message);
  } finally {
    await store.close();
  }
}

function byLabel(reason: string): Owners {
  return { find: ownerByLabel, note: `${reason} So owners are recognised by label only.` };
}

async function readRecords(store: MetadataStore, session: Session): Promise<Owners> {
  const instance = await readInstance(store);
  if (!instance) return byLabel('The metadata store has no instance record.');
  const { account, region, storeId, internalKeys } = instance;
  const [macKey] = session.find({
    class: ObjectClass.SECRET_KEY,
    id: Buffer.from(internalKeys['record-mac'], 'hex'),
  });
  if (!macKey) return byLabel('The token does not have the keys of this home.');
  const mac = (message: Buffer) =>
    Promise.resolve(session.createSign('SHA256_HMAC', macKey.toType<TokenKey>()).once(message));
  const records = await Records.read(store, storeId, mac);
  if (records.broken) return byLabel("The metadata store is not intact: run 'keyhold recover store'.");
  const keyring = new Keyring(records, new Namer(account, region));
  const owners = new Map<string, Owner>();
  for (const { record } of keyring.keysIn(undefined)) {
    const aliases = [...keyring.aliasesOf(record.keyId)].map(({ aliasName }) => aliasName);
    for (const material of materialsOf(record)) {
      if (storeIdOf(record, material) !== undefined) continue;
      const isCurrent = material === record.materials.at(-1);
      owners.set(material.objectId, { kind: 'key', keyId: record.keyId, aliases, isCurrent });
    }
  }
  // A certificate may have the CKA_ID of the key that it is for.
  const find: OwnerFinder = (object) =>
    (object.class.endsWith('_KEY') ? owners.get(object.id) : undefined) ?? ownerByLabel(object);
  return { find };
}
