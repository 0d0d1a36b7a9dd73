import { KeyError } from './errors.js';
import type { RecordChange, Records } from '../store/records/records.js';
import { AliasIndex } from './alias-index.js';
import type { Namer } from './identifiers.js';
import { Key } from './key.js';
import { type Missing, type MissingMaterial, missingText } from './material/inspection.js';
import { ManagedKeyNotMade, managedAliasPrefix, managedService } from './managed-keys.js';
import {
  type AliasRecord,
  aliasRecord,
  type KeyRecord,
  keyRecord,
  type MaterialRecord,
  materialsOf,
  storeIdOf,
} from './record.js';

/** An alias. */
export interface Alias extends AliasRecord {
  readonly aliasName: string;
}

/** The present keys and aliases, decoded from their records. */
export class Keyring {
  /** Decoded records; an entry is valid only while the record's text is the same. */
  readonly #keys = new Map<string, { text: string; key: Key }>();
  readonly #aliases = new Map<string, { text: string; alias: Alias }>();

  readonly #aliasIndex = new AliasIndex();
  /** Missing materials of the connected stores, by CKA_ID in hex. The default store is always connected. */
  readonly #connected = new Map<string | undefined, ReadonlyMap<string, Missing>>([[undefined, new Map()]]);

  constructor(
    readonly records: Records,
    readonly namer: Namer,
  ) {
    for (const { aliasName, targetKeyId } of this.aliases()) this.#aliasIndex.set(aliasName, targetKeyId);
    records.observe('alias/', (name) => this.#aliasIndex.set(name, this.alias(name)?.targetKeyId));
    records.observe('key/', (key, text) => {
      if (text === undefined) this.#keys.delete(key.slice('key/'.length));
    });
  }

  /**
   * Notes that a store was connected, so its materials can be used.
   * @param customKeyStoreId undefined for the default store
   * @param missing materials that are missing in its token
   */
  connected(customKeyStoreId: string | undefined, missing: readonly MissingMaterial[]): void {
    this.#connected.set(customKeyStoreId, new Map(missing.map((each) => [each.objectId, each.missing])));
    this.#forget(customKeyStoreId);
  }

  /** Describes those of the missing materials that are still in a key's record. */
  stillMissing(missing: readonly MissingMaterial[]): string[] {
    return missing.flatMap((each) => {
      const record = this.key(each.keyId)?.record;
      const isNamed = ({ objectId }: MaterialRecord) => objectId === each.objectId;
      if (!record || !materialsOf(record).some(isNamed)) return [];
      return [missingText(each, record.materials.at(-1)?.objectId === each.objectId)];
    });
  }

  /** Notes that a custom key store was disconnected, so its materials cannot be used. */
  disconnected(customKeyStoreId: string): void {
    if (this.#connected.delete(customKeyStoreId)) this.#forget(customKeyStoreId);
  }

  /** Iterates over the keys with material in a store. @param customKeyStoreId undefined for the default store */
  *keysIn(customKeyStoreId: string | undefined): Iterable<Key> {
    for (const keyId of this.keyIds()) {
      const key = this.key(keyId);
      if (!key) continue;
      const { record } = key;
      const isThere = (material: MaterialRecord) => storeIdOf(record, material) === customKeyStoreId;
      if (record.customKeyStoreId === customKeyStoreId || materialsOf(record).some(isThere)) yield key;
    }
  }

  /** Finds a key by its id. */
  key(keyId: string): Key | undefined {
    const text = this.records.get(`key/${keyId}`);
    if (text === undefined) return undefined;
    let entry = this.#keys.get(keyId);
    if (entry?.text !== text) {
      entry = { text, key: this.#decode(text) };
      this.#keys.set(keyId, entry);
    }
    return entry.key;
  }

  /** Finds an alias. @param aliasName with the prefix `alias/` */
  alias(aliasName: string): Alias | undefined {
    const text = this.records.get(aliasName);
    if (text === undefined) {
      this.#aliases.delete(aliasName);
      return undefined;
    }
    let entry = this.#aliases.get(aliasName);
    if (entry?.text !== text) {
      entry = { text, alias: { aliasName, ...aliasRecord.parse(JSON.parse(text)) } };
      this.#aliases.set(aliasName, entry);
    }
    return entry.alias;
  }

  /**
   * Finds a key by key id, key ARN, alias name or alias ARN.
   * @throws KeyError (not-found), which is a ManagedKeyNotMade for the alias of a service that has no key yet
   */
  find(identifier: string): Key {
    const parsed = this.namer.parse(identifier);
    if (parsed.kind === 'key') return this.existing(parsed.keyId);
    const alias = this.alias(parsed.aliasName);
    if (!alias) throw this.#noSuchAlias(parsed.aliasName);
    return this.existing(alias.targetKeyId);
  }

  /**
   * Finds a key by key id or key ARN, for operations that take no alias.
   * @throws KeyError (not-found, invalid-arn) for an alias
   */
  findByKeyId(identifier: string): Key {
    const parsed = this.namer.parse(identifier);
    if (parsed.kind === 'alias') {
      throw identifier.startsWith('arn:')
        ? new KeyError('invalid-arn', 'Key Aliases are not supported for this operation.')
        : new KeyError(
            'not-found',
            `Invalid keyId '${identifier}'. This operation takes a key ID or key ARN, not an alias.`,
          );
    }
    return this.existing(parsed.keyId);
  }

  /** Finds a key by its id. @throws KeyError (not-found) */
  existing(keyId: string): Key {
    const key = this.key(keyId);
    if (!key) throw new KeyError('not-found', `Key '${this.namer.keyArn(keyId)}' does not exist`);
    return key;
  }

  /** Iterates over all key ids in order. @param after only those greater than this one */
  *keyIds(after = ''): Iterable<string> {
    for (const key of this.records.keys('key/', after && `key/${after}`)) yield key.slice('key/'.length);
  }

  /** Iterates over all aliases in the order of their names. @param after only those with a greater name */
  *aliases(after = ''): Iterable<Alias> {
    for (const name of this.records.keys('alias/', after)) {
      const alias = this.alias(name);
      if (alias) yield alias;
    }
  }

  /** Like {@link aliases}, for one key. */
  *aliasesOf(keyId: string, after = ''): Iterable<Alias> {
    for (const name of this.#aliasIndex.of(keyId)) {
      const alias = name > after ? this.alias(name) : undefined;
      if (alias) yield alias;
    }
  }

  /** Returns the number of a key's aliases. */
  aliasCount(keyId: string): number {
    return this.#aliasIndex.count(keyId);
  }

  /** Returns the number of keys that count towards the limit: all except AWS managed keys, each of which has one alias. */
  count(): number {
    return this.records.count('key/') - this.records.count(managedAliasPrefix);
  }

  #noSuchAlias(aliasName: string): Error {
    const arn = this.namer.aliasArn(aliasName);
    const service = managedService(aliasName);
    if (service !== undefined) return new ManagedKeyNotMade(service, arn);
    return new KeyError('not-found', `Alias ${arn} is not found.`);
  }

  #decode(text: string): Key {
    const record = keyRecord.parse(JSON.parse(text));
    return new Key(record, this.namer, (store, objectId) => {
      const missing = this.#connected.get(store);
      return missing ? missing.get(objectId) : 'all';
    });
  }

  #forget(customKeyStoreId: string | undefined): void {
    for (const [keyId, { key }] of this.#keys) {
      const { record } = key;
      if (
        record.customKeyStoreId === customKeyStoreId ||
        materialsOf(record).some((material) => storeIdOf(record, material) === customKeyStoreId)
      )
        this.#keys.delete(keyId);
    }
  }
}

/** Returns the change that stores a key's record. */
export function putKey(record: KeyRecord): RecordChange {
  return { key: `key/${record.keyId}`, value: JSON.stringify(record) };
}

/** Returns the change that stores an alias. @param aliasName with the prefix `alias/` */
export function putAlias(aliasName: string, record: AliasRecord): RecordChange {
  return { key: aliasName, value: JSON.stringify(record) };
}
