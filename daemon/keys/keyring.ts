import { exceptions } from '../../proto/errors.js';
import type { KeyState } from '../../proto/generated/messages.js';
import type { CipherKey, ObjectId } from '../hsm/key-store.js';
import type { RecordChange, Records } from '../store/records.js';
import { AliasIndex } from './alias-index.js';
import { blobHeader } from './ciphertext.js';
import { grantNames } from './grants.js';
import type { Namer } from './identifiers.js';
import { lastUsageKey } from './last-usage.js';
import { ManagedKeyNotMade, managedAliasPrefix, managedService } from './managed-keys.js';
import { messageCountKey } from './message-counts.js';
import {
  type AliasRecord,
  aliasRecord,
  type KeyRecord,
  keyRecord,
  type MaterialRecord,
  materialsOf,
  storeIdOf,
} from './record.js';
import { earliestExpiry, stateOf } from './states.js';
import { wrappingKeyNames } from './wrapping-keys.js';

/** Key material as the way of a request needs it. */
export interface Material {
  readonly materialId: string;
  readonly objectId: ObjectId;
  /** The custom key store in whose token it lives; none: the default one. */
  readonly customKeyStoreId: string | undefined;
  /** Of symmetric keys. */
  readonly symmetric: SymmetricMaterial | undefined;
}

export interface SymmetricMaterial {
  readonly cipherKey: CipherKey;
  /** Of every blob that it makes. */
  readonly header: Buffer;
}

/** A key with what follows from its record. Replaced, never changed, when the record changes. */
export class Key {
  readonly arn: string;
  readonly #materials: ReadonlyMap<string, Material>;
  readonly #current: Material | undefined;
  readonly #state: KeyState;
  /** When the first of its materials expires, in epoch seconds. */
  readonly #expiresAt: number;

  constructor(
    readonly record: KeyRecord,
    namer: Namer,
    isUnavailable = false,
  ) {
    this.arn = namer.keyArn(record.keyId);
    this.#state = stateOf(record, isUnavailable);
    this.#expiresAt = earliestExpiry(record) ?? Infinity;
    const materials = record.materials.map((material) => toMaterial(record, material));
    this.#materials = new Map(materials.map((material) => [material.materialId, material]));
    this.#current = materials[materials.length - 1];
  }

  /** As it is now: material that has expired does not count, though the scheduler may not have come to it yet. */
  get state(): KeyState {
    const expires = this.#expiresAt !== Infinity && (this.#state === 'Enabled' || this.#state === 'Disabled');
    return expires && this.#expiresAt <= Date.now() / 1000 ? 'PendingImport' : this.#state;
  }

  /**
   * The material that encrypts, or does whatever else the key is for.
   * @throws KMSInvalidStateException where none was imported yet
   */
  get current(): Material {
    if (this.#current) return this.#current;
    throw new exceptions.KMSInvalidStateException(`${this.arn} is pending import.`);
  }

  material(materialId: string): Material | undefined {
    return this.#materials.get(materialId);
  }
}

function toMaterial(record: KeyRecord, material: MaterialRecord): Material {
  const { keyId } = record;
  const { materialId, objectId, suite } = material;
  const id = Buffer.from(objectId, 'hex');
  const symmetric = suite && { cipherKey: { suite, id }, header: blobHeader(suite, keyId, materialId) };
  return { materialId, objectId: id, customKeyStoreId: storeIdOf(record, material), symmetric };
}

export interface Alias extends AliasRecord {
  readonly aliasName: string;
}

/** Keys and aliases as the records say they are now. */
export class Keyring {
  /** Decoded records; an entry counts only while the record's text is still the same. */
  readonly #keys = new Map<string, { text: string; key: Key }>();
  readonly #aliases = new Map<string, { text: string; alias: Alias }>();

  readonly #aliasIndex = new AliasIndex();
  #missing: ReadonlySet<string> = new Set();
  /** The custom key stores that are connected, and the keys whose material their tokens do not hold. */
  readonly #connected = new Map<string, ReadonlySet<string>>();

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

  /** The keys whose material the token does not hold: they are Unavailable. */
  set missing(keyIds: ReadonlySet<string>) {
    this.#missing = keyIds;
    this.#keys.clear();
  }

  /** Says that a custom key store is of use. @param missing keys whose material its token does not hold */
  connected(customKeyStoreId: string, missing: Iterable<string>): void {
    this.#connected.set(customKeyStoreId, new Set(missing));
    this.#forget(customKeyStoreId);
  }

  /** Says that a custom key store is of no use: its keys are Unavailable. */
  disconnected(customKeyStoreId: string): void {
    if (this.#connected.delete(customKeyStoreId)) this.#forget(customKeyStoreId);
  }

  /** The keys that have material in one store. @param customKeyStoreId undefined: the default one */
  *keysIn(customKeyStoreId: string | undefined): Iterable<Key> {
    for (const keyId of this.keyIds()) {
      const key = this.key(keyId);
      if (!key) continue;
      const { record } = key;
      const isThere = (material: MaterialRecord) => storeIdOf(record, material) === customKeyStoreId;
      if (record.customKeyStoreId === customKeyStoreId || materialsOf(record).some(isThere)) yield key;
    }
  }

  key(keyId: string): Key | undefined {
    const text = this.records.get(`key/${keyId}`);
    if (text === undefined) return undefined;
    let entry = this.#keys.get(keyId);
    if (entry?.text !== text) {
      entry = { text, key: this.#decode(keyId, text) };
      this.#keys.set(keyId, entry);
    }
    return entry.key;
  }

  /** @param aliasName with its `alias/` */
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
   * @throws NotFoundException, as ManagedKeyNotMade where the alias is of a service that has no key yet
   */
  find(identifier: string): Key {
    const parsed = this.namer.parse(identifier);
    if (parsed.kind === 'key') return this.existing(parsed.keyId);
    const alias = this.alias(parsed.aliasName);
    if (!alias) throw this.#noSuchAlias(parsed.aliasName);
    return this.existing(alias.targetKeyId);
  }

  /**
   * Finds a key by key id or key ARN, as management operations name it.
   * @throws NotFoundException, InvalidArnException for an alias
   */
  findByKeyId(identifier: string): Key {
    const parsed = this.namer.parse(identifier);
    if (parsed.kind === 'alias') {
      throw identifier.startsWith('arn:')
        ? new exceptions.InvalidArnException(
            'Key Aliases are not supported for this operation. It takes a key ID or key ARN.',
          )
        : new exceptions.NotFoundException(
            `Invalid keyId '${identifier}'. This operation takes a key ID or key ARN, not an alias.`,
          );
    }
    return this.existing(parsed.keyId);
  }

  /** @throws NotFoundException */
  existing(keyId: string): Key {
    const key = this.key(keyId);
    if (!key) throw new exceptions.NotFoundException(`Key '${this.namer.keyArn(keyId)}' does not exist`);
    return key;
  }

  /** Key ids in order. @param after only those greater than this one */
  *keyIds(after = ''): Iterable<string> {
    for (const key of this.records.keys('key/', after && `key/${after}`)) yield key.slice('key/'.length);
  }

  /** Aliases in the order of their names. @param after only those greater than this name */
  *aliases(after = ''): Iterable<Alias> {
    for (const name of this.records.keys('alias/', after)) {
      const alias = this.alias(name);
      if (alias) yield alias;
    }
  }

  /** As aliases, of one key. */
  *aliasesOf(keyId: string, after = ''): Iterable<Alias> {
    for (const name of this.#aliasIndex.of(keyId)) {
      const alias = name > after ? this.alias(name) : undefined;
      if (alias) yield alias;
    }
  }

  /** How many aliases a key has. */
  aliasCount(keyId: string): number {
    return this.#aliasIndex.count(keyId);
  }

  /** How many keys there are that count towards the limit: all but those of services, each of which has one alias. */
  count(): number {
    return this.records.count('key/') - this.records.count(managedAliasPrefix);
  }

  #noSuchAlias(aliasName: string): Error {
    const arn = this.namer.aliasArn(aliasName);
    const service = managedService(aliasName);
    if (service !== undefined) return new ManagedKeyNotMade(service, arn);
    return new exceptions.NotFoundException(`Alias ${arn} is not found.`);
  }

  #decode(keyId: string, text: string): Key {
    const record = keyRecord.parse(JSON.parse(text));
    const { customKeyStoreId: store } = record;
    const missing = store === undefined ? this.#missing : this.#connected.get(store);
    return new Key(record, this.namer, missing?.has(keyId) ?? true);
  }

  #forget(customKeyStoreId: string): void {
    for (const [keyId, { key }] of this.#keys)
      if (key.record.customKeyStoreId === customKeyStoreId) this.#keys.delete(keyId);
  }
}

/** The change that stores a key's record. */
export function putKey(record: KeyRecord): RecordChange {
  return { key: `key/${record.keyId}`, value: JSON.stringify(record) };
}

/** The change that stores an alias. @param aliasName with its `alias/` */
export function putAlias(aliasName: string, record: AliasRecord): RecordChange {
  return { key: aliasName, value: JSON.stringify(record) };
}

/** The changes that remove a key with all that belongs to it. */
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
