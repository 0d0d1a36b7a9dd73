// Cache of the derived signing keys of access keys, so that only the first request of a day needs the HSM.
import { randomBytes } from 'node:crypto';
import { signingKey } from './sigv4.js';

/** The scope of a signing key. */
export interface SigningScope {
  /** YYYYMMDD */
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

/** The access key that a signing key belongs to, and the text of its record. */
interface Owner {
  readonly accessKeyId: string;
  readonly text: string;
}

interface Cached {
  readonly text: string;
  readonly key: Buffer;
}

interface Pending {
  readonly text: string;
  readonly key: Promise<Buffer>;
}

/**
 * Cache of signing keys. The name of an entry includes the whole scope, so a late result cannot overwrite another entry.
 * Requests that need the same key at the same time share one derivation: a flood of them costs the HSM one call.
 */
export class SigningKeys {
  readonly #cached = new Map<string, Cached>();
  readonly #pending = new Map<string, Pending>();
  /** Stands in for the secret of an access key that does not exist. */
  readonly #decoy = randomBytes(40);
  #newestDay = '';

  /**
   * Finds or derives the key of an access key for a scope.
   * @param owner undefined if there is no such access key; then the key is derived from a random secret
   * @param readSecret reads the secret, which is wiped here
   * @param isCurrent whether the access key has not changed; if it has, the key is not cached
   * @returns 32 bytes, which the caller wipes
   */
  async get(
    owner: Owner | undefined,
    scope: SigningScope,
    readSecret: () => Promise<Buffer>,
    isCurrent: () => boolean,
  ): Promise<Buffer> {
    const name = `${owner?.accessKeyId ?? ''}/${scope.date}/${scope.region}/${scope.service}`;
    const text = owner?.text ?? '';
    const cached = this.#cached.get(name);
    if (cached?.text === text) return Buffer.from(cached.key);
    if (!owner) {
      const key = derive(Buffer.from(this.#decoy), scope);
      this.#keep(name, text, scope, key);
      return key;
    }
    let pending = this.#pending.get(name);
    if (pending?.text !== text) {
      pending = { text, key: this.#derive(name, text, scope, readSecret, isCurrent) };
      this.#pending.set(name, pending);
    }
    return Buffer.from(await pending.key);
  }

  /** Wipes all keys of an access key. */
  forget(accessKeyId: string): void {
    for (const [name, { key }] of this.#cached) {
      if (!name.startsWith(`${accessKeyId}/`)) continue;
      key.fill(0);
      this.#cached.delete(name);
    }
  }

  async #derive(
    name: string,
    text: string,
    scope: SigningScope,
    readSecret: () => Promise<Buffer>,
    isCurrent: () => boolean,
  ): Promise<Buffer> {
    try {
      const key = derive(await readSecret(), scope);
      if (isCurrent()) this.#keep(name, text, scope, key);
      // After all waiting requests have copied it.
      setImmediate(() => key.fill(0));
      return key;
    } finally {
      if (this.#pending.get(name)?.text === text) this.#pending.delete(name);
    }
  }

  /** Keeps a copy of the key. */
  #keep(name: string, text: string, { date }: SigningScope, key: Buffer): void {
    if (date > this.#newestDay) this.#forgetBefore(date);
    this.#cached.get(name)?.key.fill(0);
    this.#cached.set(name, { text, key: Buffer.from(key) });
  }

  /** Keeps two days, because clocks may differ by minutes around midnight. */
  #forgetBefore(date: string): void {
    for (const [name, { key }] of this.#cached) {
      const [, day = ''] = name.split('/');
      if (day >= this.#newestDay) continue;
      key.fill(0);
      this.#cached.delete(name);
    }
    this.#newestDay = date;
  }
}

function derive(secret: Buffer, { date, region, service }: SigningScope): Buffer {
  const key = signingKey(secret, date, region, service);
  secret.fill(0);
  return key;
}
