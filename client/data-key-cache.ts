import { createHash } from 'node:crypto';
import type { StringMap } from '../proto/generated/messages.js';
import type { DataKeyOptions, DataKeySource, DecryptDataKey, GenerateDataKey } from './data-key-source.js';
import { canonicalContext } from '../proto/formats/encryption-context.js';

export interface CacheLimits {
  /** Milliseconds after which a data key is not used any more. */
  readonly maxAge: number;
  /** Files or messages that are encrypted under one data key. */
  readonly maxMessages: number;
  /** Bytes that are encrypted under one data key. */
  readonly maxBytes: number;
  /** Data keys that are kept; past it the one that was not used for longest goes. */
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
 * Uses data keys again within limits, which saves the way to the daemon and has a price: while a key is kept, a use of
 * it is neither authorized nor recorded by the daemon. Keys that are to encrypt are shared by key id and encryption
 * context; keys to decrypt by encrypted data key, context and expected key id. Everyone gets a copy and may wipe it.
 */
export class DataKeyCache implements DataKeySource {
  readonly #source: DataKeySource;
  readonly #limits: CacheLimits;
  // In the order of their last use.
  readonly #entries = new Map<string, Entry>();
  readonly #sweep: NodeJS.Timeout;
  #closed = false;

  /** @throws RangeError for a limit that is not a positive number */
  constructor(source: DataKeySource, limits: CacheLimits) {
    for (const [name, value] of Object.entries(limits) as [string, number][])
      if (!(value > 0)) throw new RangeError(`The limit ${name} of a data key cache must be greater than 0.`);
    this.#source = source;
    this.#limits = limits;
    // Keys that nobody asks for again must not stay in memory either.
    const interval = Math.min(limits.maxAge, 0x7fffffff);
    this.#sweep = setInterval(() => {
      this.#removeExpired();
    }, interval).unref();
  }

  /** A data key with which one message of `options.bytes` may be encrypted; of unknown length, always a new one. */
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
    if (plaintext && ciphertextBlob)
      this.#keep(id, asked, { plaintext, ciphertextBlob, keyId, messages: 1, bytes });
    return result;
  }

  async decrypt(request: DecryptDataKey, options: DataKeyOptions = {}) {
    const { ciphertextBlob, keyId, encryptionContext } = request;
    const id = cacheId('decrypt', [ciphertextBlob, keyId ?? ''], encryptionContext);
    const entry = this.#use(id);
    if (entry) return copyOf(entry);
    const asked = performance.now();
    const result = await this.#source.decrypt(request, options);
    const { plaintext } = result;
    if (plaintext) this.#keep(id, asked, { plaintext, ciphertextBlob, keyId, messages: 0, bytes: 0 });
    return result;
  }

  /** Wipes all keys; from then on every request goes to the source. */
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
    // An answer that comes late does not take the place of one that was asked for after it.
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
