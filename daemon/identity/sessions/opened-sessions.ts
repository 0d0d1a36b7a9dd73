// Cache of sessions whose tokens were opened: AWS clients send the token with every request, and the HSM need not decrypt it
// each time.
import { hash } from 'node:crypto';
import { IdentityError } from '../errors.js';
import type { AnySession } from './session.js';
import { signingKey } from '../signatures/sigv4.js';
import type { SigningScope } from '../signatures/signing-keys.js';

/** Maximum number of cached sessions; beyond that the least recently used is forgotten. */
const maxRemembered = 1_024;
/** Milliseconds between removals of expired sessions. */
const sweepInterval = 60_000;
/** Maximum number of signing keys of a session: two services, on two days around midnight. */
const maxSigningKeys = 4;

/** An opened session token with its signing keys. The caller checks for each request whether the session is still valid. */
export class RememberedSession {
  /** By day, Region and service. */
  readonly #signingKeys = new Map<string, Buffer>();
  #isWiped = false;

  /** @param secret the secret access key in UTF-8; this object wipes it */
  constructor(
    readonly session: AnySession,
    private readonly secret: Buffer,
  ) {}

  /**
   * Derives or finds the signing key for a scope.
   * @returns 32 bytes, which the caller wipes
   * @throws IdentityError (throttled) if the secret was wiped, which happens when more sessions than are cached are opened at
   *   once: anybody could derive a key from zeros
   */
  signingKey({ date, region, service }: SigningScope): Buffer {
    if (this.#isWiped)
      throw new IdentityError('throttled', 'Too many sessions are being opened at once. Try again.');
    const name = `${date}/${region}/${service}`;
    let key = this.#signingKeys.get(name);
    if (!key) {
      if (this.#signingKeys.size >= maxSigningKeys) this.#forgetKeys();
      key = signingKey(this.secret, date, region, service);
      this.#signingKeys.set(name, key);
    }
    return Buffer.from(key);
  }

  /** Wipes the secret and all keys. */
  wipe(): void {
    this.#isWiped = true;
    this.secret.fill(0);
    this.#forgetKeys();
  }

  #forgetKeys(): void {
    for (const key of this.#signingKeys.values()) key.fill(0);
    this.#signingKeys.clear();
  }
}

/** Opened sessions by the hash of access key ID and token, until they expire. */
export class OpenedSessions {
  readonly #sessions = new Map<string, RememberedSession>();

  constructor() {
    setInterval(() => this.#sweep(), sweepInterval).unref();
  }

  /** Number of cached sessions. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Finds a session that has not expired. */
  find(accessKeyId: string, token: string): RememberedSession | undefined {
    const name = nameOf(accessKeyId, token);
    const found = this.#sessions.get(name);
    if (!found) return undefined;
    this.#sessions.delete(name);
    if (hasExpired(found)) {
      found.wipe();
      return undefined;
    }
    // A Map is ordered by insertion, so the first entry is the least recently used.
    this.#sessions.set(name, found);
    return found;
  }

  /** Adds a session. */
  remember(accessKeyId: string, token: string, opened: RememberedSession): void {
    const name = nameOf(accessKeyId, token);
    this.#forget(name);
    this.#sessions.set(name, opened);
    if (this.#sessions.size <= maxRemembered) return;
    const [oldest = ''] = this.#sessions.keys();
    this.#forget(oldest);
  }

  #forget(name: string): void {
    this.#sessions.get(name)?.wipe();
    this.#sessions.delete(name);
  }

  #sweep(): void {
    for (const [name, opened] of this.#sessions) if (hasExpired(opened)) this.#forget(name);
  }
}

function hasExpired({ session }: RememberedSession): boolean {
  return session.expiresAt * 1000 <= Date.now();
}

function nameOf(accessKeyId: string, token: string): string {
  return hash('sha256', `${accessKeyId} ${token}`, 'base64');
}
