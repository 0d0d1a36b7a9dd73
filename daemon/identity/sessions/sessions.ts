// Temporary credentials. Sessions are not stored: a token contains its session, including the secret, encrypted under the
// HSM's key for secrets and bound to the access key ID. A MAC in front, which the daemon checks without the HSM, keeps
// forged and expired tokens away from the HSM.
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { IdentityError } from '../errors.js';
import { HsmError, type KeyStore } from '../../hsm/key-store.js';
import type { Secrets } from '../../hsm/secrets.js';
import { uniqueId } from '../names.js';
import { OpenedSessions, RememberedSession } from './opened-sessions.js';
import { type AnySession, principalSessionSchema, sessionSchema } from './session.js';
import type { SigningScope } from '../signatures/signing-keys.js';

const contentSchema = z.strictObject({
  secret: z.string(),
  session: z.union([sessionSchema, principalSessionSchema]),
});

/**
 * A token is the base64 of: format (1 byte), HMAC-SHA-256 (32 bytes) over the access key ID and the rest, end of the session
 * in epoch milliseconds (8 bytes, big-endian), the encrypted session. Format 1 had no MAC and no end, and is refused.
 */
const format = 2;
const macAt = 1;
const expiryAt = macAt + 32;
const sealedAt = expiryAt + 8;
/** Length of IV and tag. */
const minSealedLength = 12 + 16;
/** Maximum length of a token's content in bytes. In base64 it must leave room for the other headers of a request (16 KiB). */
const maxContent = 6_000;
const maxToken = 9_000;

/** The key for the tokens' MACs is the HSM's MAC of this message and the store's ID. */
const macKeyMessage = 'keyhold session tokens v2\0';

/** Temporary credentials for a client. */
export interface TemporaryCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** Percentage of the space for policies and tags that is used. */
  readonly packedSize: number;
}

/** An opened session. */
export interface OpenedSession {
  readonly accessKeyId: string;
  readonly session: AnySession;
  /** 32 bytes, which the caller wipes. */
  readonly signingKey: Buffer;
}

/** Creates and opens session tokens. */
export class Sessions {
  readonly #opened = new OpenedSessions();
  /** Tokens that the HSM is decrypting: a flood of the same token costs one call. */
  readonly #opening = new Map<string, Promise<RememberedSession | undefined>>();
  readonly #macKey: KeyObject;

  /** @param macKey 32 bytes, secret, constant across starts; the caller wipes it */
  constructor(
    private readonly store: KeyStore,
    private readonly secrets: Secrets,
    macKey: Buffer,
  ) {
    this.#macKey = createSecretKey(macKey);
  }

  /**
   * Derives the key for the tokens' MACs in the HSM.
   * @param mac HMAC-SHA-256 under a key in the HSM
   * @throws HsmError
   */
  static async start(
    store: KeyStore,
    secrets: Secrets,
    storeId: string,
    mac: (message: Buffer) => Promise<Buffer>,
  ): Promise<Sessions> {
    const macKey = await mac(Buffer.from(macKeyMessage + storeId));
    const sessions = new Sessions(store, secrets, macKey);
    macKey.fill(0);
    return sessions;
  }

  /** Makes the credentials of a session. @throws IdentityError (session-too-large), HsmError */
  async create(session: AnySession): Promise<TemporaryCredentials> {
    const accessKeyId = uniqueId('session');
    const secretAccessKey = (await this.store.random(30)).toString('base64');
    const content = Buffer.from(JSON.stringify({ secret: secretAccessKey, session }));
    const packedSize = Math.ceil((content.length / maxContent) * 100);
    if (content.length > maxContent) {
      throw new IdentityError(
        'session-too-large',
        `Packed policy consumes ${packedSize}% of allotted space, please use smaller policies and fewer tags.`,
      );
    }
    const sealed = await this.secrets.seal(secretName(accessKeyId), content).finally(() => content.fill(0));
    const expiry = Buffer.alloc(8);
    expiry.writeBigUInt64BE(BigInt(session.expiresAt * 1000));
    const authenticated = Buffer.concat([expiry, sealed]);
    const mac = this.#mac(accessKeyId, authenticated);
    const sessionToken = Buffer.concat([Buffer.of(format), mac, authenticated]).toString('base64');
    return { accessKeyId, secretAccessKey, sessionToken, packedSize };
  }

  /**
   * Opens a token. The caller checks for each request whether its principal still exists.
   * @param scope the scope of the signature
   * @returns undefined if the token is not authentic or belongs to another access key; the HSM is called neither for such a
   *   token nor for an expired one
   * @throws HsmError
   */
  async open(
    accessKeyId: string,
    token: string,
    scope: SigningScope,
  ): Promise<OpenedSession | 'expired' | undefined> {
    const remembered = this.#opened.find(accessKeyId, token);
    if (remembered) return opened(accessKeyId, remembered, scope);
    const bytes = this.#authentic(accessKeyId, token);
    if (!bytes) return undefined;
    if (bytes.readBigUInt64BE(expiryAt) <= BigInt(Date.now())) return 'expired';
    let opening = this.#opening.get(token);
    if (!opening) {
      opening = this.#decrypt(accessKeyId, token, bytes);
      this.#opening.set(token, opening);
    }
    const found = await opening;
    return found && opened(accessKeyId, found, scope);
  }

  /** Whether a token is authentic, without calling the HSM. */
  isAuthentic(accessKeyId: string, token: string): boolean {
    return this.#authentic(accessKeyId, token) !== undefined;
  }

  /** Returns the bytes of a token if its MAC is valid. */
  #authentic(accessKeyId: string, token: string): Buffer | undefined {
    const bytes = Buffer.from(token.length > maxToken ? '' : token, 'base64');
    if (
      bytes[0] !== format ||
      bytes.length < sealedAt + minSealedLength ||
      bytes.toString('base64') !== token
    )
      return undefined;
    const mac = this.#mac(accessKeyId, bytes.subarray(expiryAt));
    return timingSafeEqual(mac, bytes.subarray(macAt, expiryAt)) ? bytes : undefined;
  }

  #mac(accessKeyId: string, authenticated: Buffer): Buffer {
    return createHmac('sha256', this.#macKey).update(`${accessKeyId}\0`).update(authenticated).digest();
  }

  async #decrypt(accessKeyId: string, token: string, bytes: Buffer): Promise<RememberedSession | undefined> {
    try {
      const content = await this.secrets.open(secretName(accessKeyId), bytes.subarray(sealedAt));
      const { secret, session } = contentSchema.parse(JSON.parse(content.toString()));
      content.fill(0);
      const found = new RememberedSession(session, Buffer.from(secret));
      this.#opened.remember(accessKeyId, token, found);
      return found;
    } catch (error) {
      if (error instanceof HsmError && error.code === 'invalid-ciphertext') return undefined;
      throw error;
    } finally {
      this.#opening.delete(token);
    }
  }
}

function opened(accessKeyId: string, found: RememberedSession, scope: SigningScope): OpenedSession {
  return { accessKeyId, session: found.session, signingKey: found.signingKey(scope) };
}

/** The name that a session's content is sealed with. */
function secretName(accessKeyId: string): string {
  return `session/${accessKeyId}`;
}
