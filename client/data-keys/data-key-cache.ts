import { createHash } from 'node:crypto';
import type { StringMap } from '../../proto/generated/messages.js';
import type { DataKeyOptions, DataKeySource, DecryptDataKey, GenerateDataKey } from './data-key-source.js';
import { canonicalContext } from '../../proto/formats/encryption-context.js';

/** Limits of a data key cache. Each is greater than 0. */
export interface CacheLimits {
  /** Milliseconds after which a data key is no longer used. */
  readonly maxAge: number;
  /** Files or messages that are encrypted under one data key. */
  readonly maxMessages: number;
  /** Bytes that are encrypted under one data key. */
  readonly maxBytes: number;
  /** Data keys in the cache. Past it the least recently used one is removed. */
  readonly capacity: number;
}

interface Entry {
  readonly plaintext: Uint8Array;
  readonly ciphertextBlob: Uint8Array;
  readonly keyId: string | undefined;
  readonly expires: number;
  messages: number;
  bytes: number;
}

/**
 * Reuses data keys within limits. This saves requests to the daemon, at a price: the daemon neither authorizes nor records
 * the use of a cached key. A key for encryption is shared by key ID and encryption context; a key for decryption by
 * encrypted data key, context and expected key ID. Callers get copies, and may wipe them.
 * @example
 *   import { Readable } from 'node:stream';
 *   import { buffer } from 'node:stream/consumers';
 *   import { connect, seal } from '@keyhold/client';
 *
 *   const limits = { maxAge: 60_000, maxMessages: 100, maxBytes: 1e9, capacity: 10 };
 *   const client = await connect({ dataKeyCache: limits });
 *   const { keyMetadata } = await client.createKey({});
 *   const options = { dataKeys: client.dataKeys, keyId: keyMetadata.keyId, length: 5 };
 *   for (const word of ['first', 'again'])
 *     await buffer(seal(Readable.from([Buffer.from(word)]), options)); // one data key for both
 *   await client.close(); // wipes it
 */
export class DataKeyCache implements DataKeySource {
  readonly #source: DataKeySource;
  readonly #limits: CacheLimits;
  // In the order of their last use.
  readonly #entries = new Map<string, Entry>();
  readonly #sweep: NodeJS.Timeout;
  #closed = false;

  /**
   * @param source where data keys come from that are not in the cache
   * @throws RangeError for a limit that is not a positive number
   */
  constructor(source: DataKeySource, limits: CacheLimits) {
    for (const [name, value] of Object.entries(limits) as [string, number][])
      if (!(value > 0)) throw new RangeError(`The limit ${name} of a data key cache must be greater than 0.`);
    this.#source = source;
    this.#limits = limits;
    // Keys that nobody asks for again must leave memory too.
    const interval = Math.min(limits.maxAge, 0x7fffffff);
    this.#sweep = setInterval(() => {
      this.#removeExpired();
    }, interval).unref();
  }

  /** A data key for one message of `options.bytes` bytes. A message of unknown length always gets a new one. @throws what the source throws */
  async generateDataKey(request: GenerateDataKey, options: DataKeyOptions = {}) {
    const { bytes } = options;
    const { maxMessages, maxBytes } = this.#limits;
    if (bytes === undefined || bytes > maxBytes) return this.#source.generateDataKey(request, options);
    const id = cacheId('generate', [request.keySpec, request.keyId], request.encryptionContext);
    const entry = this.#use(id);
    if (entry && entry.messages < maxMessages && entry.bytes + bytes <= maxBytes) {
      // Counted before the key is handed out: users at the same time cannot pass a limit together.
      entry.messages++;
      entry.bytes += bytes;
      return copyOf(entry);
    }
    const asked = performance.now();
    const result = await this.#source.generateDataKey(request, options);
    const { plaintext, ciphertextBlob, keyId } = result;
    this.#keep(id, asked, { plaintext, ciphertextBlob, keyId, messages: 1, bytes });
    return result;
  }

  /** The plaintext of a data key, from the cache if it is there. @throws what the source throws */
  async decrypt(request: DecryptDataKey, options: DataKeyOptions = {}) {
    const { ciphertextBlob, keyId, encryptionContext } = request;
    const id = cacheId('decrypt', [ciphertextBlob, keyId ?? ''], encryptionContext);
    const entry = this.#use(id);
    if (entry) return copyOf(entry);
    const asked = performance.now();
    const result = await this.#source.decrypt(request, options);
    const { plaintext } = result;
    this.#keep(id, asked, { plaintext, ciphertextBlob, keyId, messages: 0, bytes: 0 });
    return result;
  }

  /** Wipes all keys. From then on every request goes to the source. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#sweep);
    for (const id of this.#entries.keys()) this.#remove(id);
  }

  #use(id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    if (!entry) return undefined;
    if (entry.expires <= performance.now()) {
      this.#remove(id);
      return undefined;
    }
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    return entry;
  }

  // The age counts from the request, before the daemon decided.
  #keep(id: string, asked: number, fields: Omit<Entry, 'expires'>): void {
    if (this.#closed) return;
    const { maxAge, capacity } = this.#limits;
    // A late response must not replace the one to a later request.
    if ((this.#entries.get(id)?.expires ?? 0) > asked + maxAge) return;
    this.#remove(id);
    const { plaintext, ciphertextBlob } = copyOf(fields);
    this.#entries.set(id, { ...fields, plaintext, ciphertextBlob, expires: asked + maxAge });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= capacity) break;
      this.#remove(oldest);
    }
  }

  #removeExpired(): void {
    const now = performance.now();
    for (const [id, { expires }] of this.#entries) if (expires <= now) this.#remove(id);
  }

  #remove(id: string): void {
    this.#entries.get(id)?.plaintext.fill(0);
    this.#entries.delete(id);
  }
}

function copyOf({ plaintext, ciphertextBlob, keyId }: Pick<Entry, 'plaintext' | 'ciphertextBlob' | 'keyId'>) {
  return { plaintext: Uint8Array.from(plaintext), ciphertextBlob: Uint8Array.from(ciphertextBlob), keyId };
}

function cacheId(kind: string, parts: (string | Uint8Array)[], context: StringMap): string {
  const hash = createHash('sha256');
  for (const part of [kind, ...parts, canonicalContext(context)]) {
    const bytes = Buffer.from(part as Uint8Array);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  }
  return hash.digest('base64');
}
