// Temporary credentials. Nothing of a session is stored: its token carries everything, the secret included, encrypted
// under the HSM's key for secrets and bound to the access key id, so only who holds the token can use it.
import { z } from 'zod';
import { exceptions } from '../../proto/errors.js';
import { type CipherKey, HsmError, type KeyStore } from '../hsm/key-store.js';
import { uniqueId } from './names.js';
import { OpenedSessions, RememberedSession, type SigningScope } from './opened-sessions.js';

const sessionSchema = z.strictObject({
  roleId: z.string(),
  name: z.string(),
  /** Epoch seconds: `aws:TokenIssueTime`. */
  issuedAt: z.number(),
  /** Epoch seconds. */
  expiresAt: z.number(),
  /** A policy document that bounds the session, as given. */
  policy: z.string().optional(),
  /** Managed policies that bound it. One that is deleted, or made anew under its name, allows nothing any more. */
  policies: z.array(z.strictObject({ name: z.string(), id: z.string() })),
  tags: z.array(z.strictObject({ key: z.string(), value: z.string() })),
  /** Keys of the tags that sessions which this one assumes get too. */
  transitiveTagKeys: z.array(z.string()),
});

/** A session of a role. */
export type Session = z.output<typeof sessionSchema>;

const contentSchema = z.strictObject({ secret: z.string(), session: sessionSchema });

/** First byte of a token. */
const format = 1;
const ivLength = 12;
/** Bytes of a token's content: in base64 it must leave room for the other headers of a request (16 KiB in all). */
const maxContent = 6_000;
const maxToken = 9_000;

/** What AssumeRole gives its caller. */
export interface TemporaryCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** How much of the room for policies and tags is used, in percent. */
  readonly packedSize: number;
}

/** A session that was opened, and the key that signs for it, 32 bytes, which the caller wipes. */
export interface OpenedSession {
  readonly accessKeyId: string;
  readonly session: Session;
  readonly signingKey: Buffer;
}

export class Sessions {
  readonly #opened = new OpenedSessions();

  constructor(
    private readonly store: KeyStore,
    private readonly secretsKey: CipherKey,
  ) {}

  /** @throws PackedPolicyTooLargeException, HsmError */
  async create(session: Session): Promise<TemporaryCredentials> {
    const accessKeyId = uniqueId('session');
    const secretAccessKey = (await this.store.random(30)).toString('base64');
    const content = Buffer.from(JSON.stringify({ secret: secretAccessKey, session }));
    const packedSize = Math.ceil((content.length / maxContent) * 100);
    if (content.length > maxContent) {
      throw new exceptions.PackedPolicyTooLargeException(
        `Packed policy consumes ${packedSize}% of allotted space, please use smaller policies and fewer tags.`,
      );
    }
    const { iv, ciphertext } = await this.store.encrypt(this.secretsKey, aad(accessKeyId), content);
    content.fill(0);
    const sessionToken = Buffer.concat([Buffer.of(format), iv, ciphertext]).toString('base64');
    return { accessKeyId, secretAccessKey, sessionToken, packedSize };
  }

  /**
   * Opens a token, whether or not its session has expired or its role exists: that is asked anew for each request.
   * @param scope of the signature
   * @returns undefined where it is none of ours, or of another access key
   * @throws HsmError where the HSM does not answer
   */
  async open(accessKeyId: string, token: string, scope: SigningScope): Promise<OpenedSession | undefined> {
    const remembered = this.#opened.find(accessKeyId, token);
    const found = remembered ?? (await this.#decrypt(accessKeyId, token));
    if (!found) return undefined;
    const opened = { accessKeyId, session: found.session, signingKey: found.signingKey(scope) };
    if (!remembered) this.#opened.remember(accessKeyId, token, found);
    return opened;
  }

  async #decrypt(accessKeyId: string, token: string): Promise<RememberedSession | undefined> {
    const bytes = Buffer.from(token.length > maxToken ? '' : token, 'base64');
    if (bytes[0] !== format || bytes.length < 1 + ivLength + 16 || bytes.toString('base64') !== token)
      return undefined;
    const iv = bytes.subarray(1, 1 + ivLength);
    let content: Buffer;
    try {
      const message = { iv, ciphertext: bytes.subarray(1 + ivLength) };
      content = await this.store.decrypt(this.secretsKey, aad(accessKeyId), message);
    } catch (error) {
      if (error instanceof HsmError && error.code === 'invalid-ciphertext') return undefined;
      throw error;
    }
    const { secret, session } = contentSchema.parse(JSON.parse(content.toString()));
    content.fill(0);
    return new RememberedSession(session, Buffer.from(secret));
  }
}

function aad(accessKeyId: string): Buffer {
  return Buffer.from(`session/${accessKeyId}`);
}
