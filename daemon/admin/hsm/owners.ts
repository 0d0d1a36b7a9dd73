// Whose the objects of a token are: by the records of the metadata store where they can be read, else by their labels.
import { existsSync } from 'node:fs';
import { type Key as TokenKey, ObjectClass, type Session } from 'graphene-pk11';
import { readInstance } from '../../app/opening/instance.js';
import { Keyring, materialsOf, Namer, storeIdOf } from '../../keys/index.js';
import { openStore } from '../../app/opening/open-store.js';
import { Records } from '../../store/records/records.js';
import { type MetadataStore, StoreError } from '../../store/store.js';
import type { ObjectEntry } from './inventory.js';
import { homePaths } from '../../files/home.js';

/** Whose an object is. */
export interface Owner {
  /**
   * `key`: a record of this home names it as material of a key. `key material`: its label alone names a key of a Keyhold.
   * The others go by their labels, too.
   */
  readonly kind:
    'key' | 'key material' | 'wrapping key' | 'audit key' | 'internal key' | 'anchor' | 'doctor' | 'foreign';
  readonly keyId?: string;
  /** Aliases of the key. */
  readonly aliases?: readonly string[];
  /** Whether the key encrypts or signs with it now. */
  readonly isCurrent?: boolean;
}

/** Finds the owner of an object. */
export type OwnerFinder = (object: ObjectEntry) => Owner;

/** By what the owners are found, and why not by the records. */
export interface Owners {
  readonly find: OwnerFinder;
  /** A sentence; absent: the records were read. */
  readonly note?: string;
}

/** The labels that Keyhold gives its objects, from the most special one down. */
const labels: readonly (readonly [pattern: RegExp, kind: Owner['kind']])[] = [
  [/^keyhold\/internal\/audit-signing$/, 'audit key'],
  [/^keyhold\/internal\/anchor\//, 'anchor'],
  [/^keyhold\/internal\//, 'internal key'],
  [/^keyhold\/wrapping\/(?<keyId>[^/]+)$/, 'wrapping key'],
  [/^keyhold\/doctor$/, 'doctor'],
  [/^keyhold\/(?<keyId>[0-9a-f-]{36}|mrk-[0-9a-f]{32})$/, 'key material'],
];

/** The owner that an object's label names. Another program can give its objects such labels. */
export const ownerByLabel: OwnerFinder = ({ label }) => {
  for (const [pattern, kind] of labels) {
    const match = pattern.exec(label);
    if (match) return { kind, ...(match.groups?.keyId !== undefined && { keyId: match.groups.keyId }) };
  }
  return { kind: 'foreign' };
};

/**
 * The owners of the objects of the default token, by the records of its home. They are verified with the key of the token
 * that makes their MACs. A running daemon has the store open: then the labels decide.
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
  return { find: ownerByLabel, note: `${reason} Owners are told by label.` };
}

async function readRecords(store: MetadataStore, session: Session): Promise<Owners> {
  const instance = await readInstance(store);
  if (!instance) return byLabel('The metadata store holds no instance.');
  const { account, region, storeId, internalKeys } = instance;
  const [macKey] = session.find({
    class: ObjectClass.SECRET_KEY,
    id: Buffer.from(internalKeys['record-mac'], 'hex'),
  });
  if (!macKey) return byLabel('The token is not the one that this home was made with.');
  const mac = (message: Buffer) =>
    Promise.resolve(session.createSign('SHA256_HMAC', macKey.toType<TokenKey>()).once(message));
  const records = await Records.read(store, storeId, mac);
  if (records.broken) return byLabel("The metadata store is not whole: run 'keyhold recover store'.");
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
