// The token's objects by CKA_ID, and the session copies of the keys in use.
import pkcs11, { type Handle, type Template } from 'pkcs11js';
import { HsmError } from '../key-store.js';
import { meaningOf } from '../pkcs11/return-values.js';
import { TokenGoneError, isThere, type Token } from './token.js';

/** Handles of the objects that share a CKA_ID, by class. */
interface Entry {
  /** A secret or private key. */
  key?: Handle;
  /** The HMAC key beside an AES key (AES_256_CBC_HMAC_SHA_256). */
  mac?: Handle;
  public?: Handle;
}

/** Class, CKA_ID and CKA_LABEL of an object; empty if it has none. */
export interface ObjectDescription {
  readonly class: number;
  readonly id: Buffer;
  readonly label: string;
}

/**
 * Maximum length in bytes of an indexed CKA_ID. Keyhold's own have 16; empty ones are not indexed, as many objects share
 * them.
 */
const longestId = 64;
const keyClasses = [pkcs11.CKO_SECRET_KEY, pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY];
const findChunk = 1024;
const maxAttempts = 5;
/** A CKA_ID with this suffix names the copy of the HMAC key; it is longer than any indexed CKA_ID. */
const macSuffix = '\0'.repeat(longestId + 1);

/** The index of the token's objects, and the session copies of keys. */
export class KeyObjects {
  // The keys of these maps are CKA_IDs as latin1 strings, which are the cheapest to hash.
  readonly #entries = new Map<string, Entry>();
  readonly #known = new Set<string>();
  /** Data objects by label. They are few, and a search takes as long as reading the whole token. */
  readonly #data = new Map<string, Handle[]>();
  /** Least recently used first. */
  readonly #copies = new Map<string, Handle>();
  #newestCopy = '';
  /** Session objects that {@link ownSession} added. */
  readonly #ofSession = new Map<string, readonly Handle[]>();
  /** CKA_IDs of adopted objects that may not be copied. */
  readonly #uncopyable = new Set<string>();

  /** @param copyLimit maximum number of session copies */
  constructor(
    private readonly token: Token,
    private copyLimit: number,
  ) {}

  /**
   * Runs an operation with the handle of a secret or private key, and once more if the handle was stale.
   * @throws HsmError 'no-such-object'
   */
  use<T>(id: Buffer, operation: (key: Handle) => T): T {
    return this.#retryingStale(id.toString('latin1'), (name) => operation(this.#key(name)));
  }

  /** Like {@link use}, with the AES key and the HMAC key of an AES_256_CBC_HMAC_SHA_256 material. */
  useBoth<T>(id: Buffer, operation: (key: Handle, mac: Handle) => T): T {
    return this.#retryingStale(id.toString('latin1'), (name) => {
      const mac = this.#handleOf(name, 'mac');
      // With room for only one copy, the second would evict the first.
      if (this.copyLimit < 2) return operation(this.#handleOf(name, 'key'), mac);
      return operation(
        this.#key(name),
        this.#copies.get(name + macSuffix) ?? this.#copy(name + macSuffix, mac),
      );
    });
  }

  /** Adds session objects that {@link forget} and {@link destroy} will destroy. */
  ownSession(id: Buffer, handles: readonly Handle[]): void {
    this.#ofSession.set(id.toString('latin1'), handles);
  }

  /** Like {@link use}, never with a session copy. */
  useOriginal<T>(id: Buffer, operation: (key: Handle) => T): T {
    return this.#retryingStale(id.toString('latin1'), (name) => operation(this.#handleOf(name, 'key')));
  }

  /** Like {@link use}, with the public key of a pair. */
  usePublic<T>(id: Buffer, operation: (key: Handle) => T): T {
    return this.#retryingStale(id.toString('latin1'), (name) => operation(this.#handleOf(name, 'public')));
  }

  /** Like {@link use}, with the key that verifies: the public key of a pair, else the secret key. */
  useVerifying<T>(id: Buffer, operation: (key: Handle) => T): T {
    return this.#retryingStale(id.toString('latin1'), (name) =>
      operation(this.#entry(name).public ?? this.#key(name)),
    );
  }

  /** Drops the handles of a CKA_ID and destroys its session objects. @param name CKA_ID in latin1 */
  forget(name: string): void {
    for (const copied of [name, name + macSuffix]) {
      const copy = this.#copies.get(copied);
      this.#copies.delete(copied);
      this.#uncopyable.delete(copied);
      if (copy) this.#ignoringStale(() => this.token.module.C_DestroyObject(this.token.session, copy));
    }
    for (const handle of this.#ofSession.get(name) ?? [])
      this.#ignoringStale(() => this.token.module.C_DestroyObject(this.token.session, handle));
    this.#ofSession.delete(name);
    const entry = this.#entries.get(name);
    this.#entries.delete(name);
    for (const handle of [entry?.key, entry?.mac, entry?.public])
      if (handle) this.#known.delete(handle.toString('latin1'));
  }

  /** Finds all token objects and adds the new ones to the index. @returns the new ones */
  refreshHandles(): ObjectDescription[] {
    const unknown = this.#find([]).filter((handle) => !this.#known.has(handle.toString('latin1')));
    return unknown.map((handle) => this.add(handle)).filter((description) => description !== undefined);
  }

  /** Whether the token has an object with a CKA_ID. @throws TokenGoneError */
  exists(id: Buffer): boolean {
    return this.#search(id).length > 0;
  }

  /** Destroys every key with a CKA_ID. Other objects that share it, such as certificates, belong to other programs. */
  destroy(id: Buffer): void {
    this.forget(id.toString('latin1'));
    for (const handle of this.#search(id)) {
      const description = this.#describe(handle);
      if (description && keyClasses.includes(description.class))
        this.#ignoringStale(() => this.token.module.C_DestroyObject(this.token.session, handle));
    }
    this.#assertThere();
  }

  /** Reads attributes of all matching token objects, leaving out those that an object does not have or show. */
  inspect(match: Template, types: readonly number[]): [type: number, value: Buffer][][] {
    const { module, session } = this.token;
    return this.#find(match).map((handle) =>
      types.flatMap((type): [number, Buffer][] => {
        const [read] =
          this.#ignoringRefusal(() => module.C_GetAttributeValue(session, handle, [{ type }])) ?? [];
        return read?.value === undefined ? [] : [[type, read.value]];
      }),
    );
  }

  /** Adds an object to the index. @returns undefined if the object cannot be read */
  add(handle: Handle): ObjectDescription | undefined {
    const description = this.#describe(handle);
    if (description === undefined) return undefined;
    this.#known.add(handle.toString('latin1'));
    if (description.id.length > 0 && description.id.length <= longestId) {
      const name = description.id.toString('latin1');
      const entry = this.#entries.get(name) ?? {};
      if (description.class === pkcs11.CKO_PUBLIC_KEY) entry.public = handle;
      else if (description.class === pkcs11.CKO_PRIVATE_KEY) entry.key = handle;
      else if (description.class === pkcs11.CKO_SECRET_KEY) this.#addSecret(entry, handle);
      this.#entries.set(name, entry);
    }
    if (description.class === pkcs11.CKO_DATA)
      this.#data.set(description.label, [...(this.#data.get(description.label) ?? []), handle]);
    return description;
  }

  /** Reads the contents of the data objects with a label, as far as the module shows them. */
  readData(label: string): Buffer[] {
    const { module, session } = this.token;
    return (this.#data.get(label) ?? []).flatMap((handle) => {
      const type = pkcs11.CKA_VALUE;
      const [read] =
        this.#ignoringRefusal(() => module.C_GetAttributeValue(session, handle, [{ type }])) ?? [];
      return read?.value === undefined ? [] : [read.value];
    });
  }

  /** Creates a private data object, then destroys the others with its label, so that at any moment one exists. */
  replaceData(label: string, value: Buffer): void {
    const { module, session } = this.token;
    const older = this.#data.get(label) ?? [];
    const made = module.C_CreateObject(session, [
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_DATA },
      { type: pkcs11.CKA_TOKEN, value: true },
      { type: pkcs11.CKA_PRIVATE, value: true },
      { type: pkcs11.CKA_APPLICATION, value: Buffer.from('keyhold') },
      { type: pkcs11.CKA_LABEL, value: Buffer.from(label) },
      { type: pkcs11.CKA_VALUE, value },
    ]);
    for (const handle of older) {
      this.#ignoringStale(() => module.C_DestroyObject(session, handle));
      this.#known.delete(handle.toString('latin1'));
    }
    this.#known.add(made.toString('latin1'));
    this.#data.set(label, [made]);
  }

  // Only an AES_256_CBC_HMAC_SHA_256 material has two secret keys. Their types distinguish them, in whatever order they are
  // found.
  #addSecret(entry: Entry, handle: Handle): void {
    if (entry.key === undefined || entry.key.equals(handle)) entry.key = handle;
    else if (this.#isAes(handle))
      [entry.key, entry.mac] = [handle, this.#isAes(entry.key) ? entry.mac : entry.key];
    else entry.mac = handle;
  }

  #isAes(handle: Handle): boolean {
    const { module, session } = this.token;
    const [type] = module.C_GetAttributeValue(session, handle, [{ type: pkcs11.CKA_KEY_TYPE }]);
    return type?.value?.readUInt32LE(0) === pkcs11.CKK_AES;
  }

  #retryingStale<T>(name: string, operation: (name: string) => T): T {
    try {
      return operation(name);
    } catch (error) {
      if (!meaningOf(error)?.staleHandle) throw error;
      this.forget(name);
      return operation(name);
    }
  }

  #key(name: string): Handle {
    const copy = this.#copies.get(name);
    if (copy === undefined) return this.#copy(name, this.#handleOf(name, 'key'));
    if (this.#newestCopy !== name) {
      this.#copies.delete(name);
      this.#copies.set(name, copy);
      this.#newestCopy = name;
    }
    return copy;
  }

  #entry(name: string): Entry {
    return this.#entries.get(name) ?? this.#lookUp(name) ?? fail(name);
  }

  // A worker that refreshed its handles while another one was creating a material of two objects may know only one of them.
  #handleOf(name: string, part: keyof Entry): Handle {
    return this.#entries.get(name)?.[part] ?? this.#lookUp(name)?.[part] ?? fail(name);
  }

  #lookUp(name: string): Entry | undefined {
    for (const handle of this.#search(Buffer.from(name, 'latin1'))) this.add(handle);
    return this.#entries.get(name);
  }

  // A copy stays sensitive and not extractable: these attributes can only become stricter (PKCS #11 v2.40, section 4.4).
  // SoftHSM 2.6.1, AES-GCM of 64 bytes: 25 µs with the token object, 9 µs with a copy.
  #copy(name: string, original: Handle): Handle {
    const { module, session } = this.token;
    if (this.copyLimit === 0 || this.#uncopyable.has(name)) return original;
    if (this.#copies.size >= this.copyLimit) this.#evictOldest();
    try {
      const copy = module.C_CopyObject(session, original, [{ type: pkcs11.CKA_TOKEN, value: false }]);
      this.#copies.set(name, copy);
      this.#newestCopy = name;
      return copy;
    } catch (error) {
      const meaning = meaningOf(error);
      if (meaning === undefined || meaning.sessionLost) throw error;
      if (meaning.objectOnly) {
        this.#uncopyable.add(name);
        return original;
      }
      // Out of session memory; or the module copies nothing, and the first attempt sets the limit to 0.
      this.copyLimit = this.#copies.size;
      return original;
    }
  }

  #evictOldest(): void {
    for (const [name, copy] of this.#copies) {
      this.#copies.delete(name);
      this.token.module.C_DestroyObject(this.token.session, copy);
      return;
    }
  }

  #search(id: Buffer): Handle[] {
    if (id.length === 0 || id.length > longestId)
      throw new HsmError('internal', `A CKA_ID of ${id.length} bytes, not 1 to ${longestId}`);
    return this.#find([{ type: pkcs11.CKA_ID, value: id }]);
  }

  // CKA_TOKEN excludes the session copies, which share their original's CKA_ID.
  #find(template: Template): Handle[] {
    const { module, session } = this.token;
    const found: Handle[] = [];
    module.C_FindObjectsInit(session, [{ type: pkcs11.CKA_TOKEN, value: true }, ...template]);
    try {
      let chunk;
      do {
        chunk = module.C_FindObjects(session, findChunk);
        found.push(...chunk);
      } while (chunk.length > 0);
    } finally {
      module.C_FindObjectsFinal(session);
    }
    this.#assertThere();
    return found;
  }

  // "Not found" counts only if the token is present and logged in. Otherwise a key that seemed destroyed would come back with
  // the token; and without the login only the public half of a pair is visible, and would be destroyed alone.
  #assertThere(): void {
    if (!isThere(this.token)) throw new TokenGoneError();
  }

  #describe(handle: Handle): ObjectDescription | undefined {
    const read = (...types: number[]): (Buffer | undefined)[] =>
      this.token.module
        .C_GetAttributeValue(
          this.token.session,
          handle,
          types.map((type) => ({ type })),
        )
        .map(({ value }) => value as Buffer | undefined);
    const types = [pkcs11.CKA_CLASS, pkcs11.CKA_ID, pkcs11.CKA_LABEL];
    let values: (Buffer | undefined)[];
    try {
      values = read(...types);
    } catch {
      // An attribute that the object does not have (CKA_ID of a data object) makes the whole call fail.
      values = types.map((type) => this.#ignoringRefusal(() => read(type)[0]));
    }
    const [objectClass, id, label] = values;
    if (objectClass === undefined) return undefined;
    return {
      class: objectClass.readUInt32LE(0),
      id: id ?? Buffer.alloc(0),
      label: label?.toString('utf8') ?? '',
    };
  }

  // SoftHSM 2.6.1 fails without a reason for an object that was left half-written. A failing device may do the same, and its
  // keys must not be taken for missing, so the call is repeated a few times.
  #ignoringRefusal<T>(call: () => T): T | undefined {
    for (let attempt = 1; ; attempt++) {
      try {
        return call();
      } catch (error) {
        const meaning = meaningOf(error);
        if (meaning === undefined || (meaning.code === 'unavailable' && !meaning.staleHandle)) throw error;
        if (meaning.decrypting !== 'doubtful' || attempt === maxAttempts) return undefined;
      }
    }
  }

  #ignoringStale(call: () => void): void {
    try {
      call();
    } catch (error) {
      if (!meaningOf(error)?.staleHandle) throw error;
    }
  }
}

function fail(name: string): never {
  throw new HsmError(
    'no-such-object',
    `The token has no such key with CKA_ID ${Buffer.from(name, 'latin1').toString('hex')}`,
  );
}
