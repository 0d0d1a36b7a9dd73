// Derived signing keys of access keys, kept for the day so that only the first request of a day needs the HSM.
import { randomBytes } from 'node:crypto';
import { signingKey } from './sigv4.js';

/** What a signing key is for. */
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
 * Cache of signing keys. The whole scope is part of the name, so that an answer that comes late can only fill its own
 * place. Requests that need the same key at the same time share one derivation: a flood of them costs the HSM one call.
 */
export class SigningKeys {
  readonly #cached = new Map<string, Cached>();
  readonly #pending = new Map<string, Pending>();
  /** Stands in for the secret of an access key that does not exist. */
  readonly #decoy = randomBytes(40);
  #newestDay = '';

  /**
   * The key of an access key for a scope.
   * @param owner undefined: there is no such access key, and a key is made of a secret that nobody has
   * @param readSecret gives the secret, which is wiped here
   * @param isCurrent whether the access key is still what it was; otherwise nothing of it is kept
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
      // Everybody who waits for it copies it first.
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

  /** Around midnight two days are in use, since clocks may differ by minutes. */
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
