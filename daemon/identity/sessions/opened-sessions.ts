// Sessions whose tokens were opened: clients of AWS send theirs with every request, and the HSM need not open it each time.
import { hash } from 'node:crypto';
import type { AnySession } from './session.js';
import { signingKey } from '../signatures/sigv4.js';
import type { SigningScope } from '../signatures/signing-keys.js';

/** Sessions that are remembered; of more the one that was used last the longest ago is forgotten. */
const maxRemembered = 1_024;
/** How often those that have expired are forgotten, in milliseconds. */
const sweepInterval = 60_000;
/** Of one session: two services, on two days around midnight. */
const maxSigningKeys = 4;

/** An opened token, with the keys that sign for it. Who asks decides anew, at each request, whether the session counts. */
export class RememberedSession {
  /** By day, Region and service. */
  readonly #signingKeys = new Map<string, Buffer>();
  #isWiped = false;

  /** @param secret is this object's from now on, and wiped by it */
  constructor(
    readonly session: AnySession,
    private readonly secret: Buffer,
  ) {}

  /**
   * @returns 32 bytes, which the caller wipes
   * @throws Error where it was wiped: a key made of zeros would be one that everybody has
   */
  signingKey({ date, region, service }: SigningScope): Buffer {
    if (this.#isWiped) throw new Error('The secret of this session was wiped.');
    const name = `${date}/${region}/${service}`;
    let key = this.#signingKeys.get(name);
    if (!key) {
      if (this.#signingKeys.size >= maxSigningKeys) this.#forgetKeys();
      key = signingKey(this.secret, date, region, service);
      this.#signingKeys.set(name, key);
    }
    return Buffer.from(key);
  }

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

/** A session is found by the hash of its access key id and token, and until it expires. */
export class OpenedSessions {
  readonly #sessions = new Map<string, RememberedSession>();

  constructor() {
    setInterval(() => this.#sweep(), sweepInterval).unref();
  }

  /** How many are remembered. */
  get size(): number {
    return this.#sessions.size;
  }

  find(accessKeyId: string, token: string): RememberedSession | undefined {
    const name = nameOf(accessKeyId, token);
    const found = this.#sessions.get(name);
    if (!found) return undefined;
    this.#sessions.delete(name);
    if (hasExpired(found)) {
      found.wipe();
      return undefined;
    }
    // The order of a Map is that of insertion: the first is the one to forget.
    this.#sessions.set(name, found);
    return found;
  }

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
