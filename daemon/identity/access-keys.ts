import { randomInt } from 'node:crypto';
import { exceptions } from '../../proto/errors.js';
import type { CipherKey, KeyStore } from '../hsm/key-store.js';
import type { RecordChange, Records } from '../store/records.js';
import { accessKeyRecord } from './records.js';
import { signingKey } from './sigv4.js';

const ivLength = 12;

/** A new access key: the change that stores it, and the secret that its owner is given once. */
export interface NewAccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly change: RecordChange;
}

/** An access key that may sign now. */
export interface ActiveAccessKey {
  readonly accessKeyId: string;
  readonly principalId: string;
  /** The record's text: while it is still the same, what was found is still true. */
  readonly text: string;
}

/** Access keys, whose secrets are at rest only under a key that lives in the HSM. */
export class AccessKeys {
  /** Signing keys by access key and scope, with the record that they come from; emptied when the day changes. */
  readonly #signingKeys = new Map<string, { text: string; key: Buffer }>();
  #day = '';

  constructor(
    private readonly records: Records,
    private readonly store: KeyStore,
    private readonly secretsKey: CipherKey,
  ) {}

  /** Makes an access key for a principal. */
  async create(principalId: string): Promise<NewAccessKey> {
    const accessKeyId = `AKIA${randomText('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 16)}`;
    const secretAccessKey = (await this.store.random(30)).toString('base64');
    const { iv, ciphertext } = await this.store.encrypt(
      this.secretsKey,
      aad(accessKeyId),
      Buffer.from(secretAccessKey),
    );
    const secret = Buffer.concat([iv, ciphertext]).toString('base64');
    const record = { principalId, active: true, secret, createdAt: Date.now() / 1000 };
    const change = { key: `access-key/${accessKeyId}`, value: JSON.stringify(record) };
    return { accessKeyId, secretAccessKey, change };
  }

  /** The access key where it exists and is active. */
  find(accessKeyId: string): ActiveAccessKey | undefined {
    const text = this.records.get(`access-key/${accessKeyId}`);
    if (text === undefined) return undefined;
    const { active, principalId } = accessKeyRecord.parse(JSON.parse(text));
    return active ? { accessKeyId, principalId, text } : undefined;
  }

  /** Whether nothing changed since the access key was found. */
  isCurrent(found: ActiveAccessKey): boolean {
    return this.records.get(`access-key/${found.accessKeyId}`) === found.text;
  }

  /**
   * The key that signs for a day, Region and service. For an access key that does not exist the same work is done
   * with a secret that nobody has, so that the time taken does not tell which access keys exist.
   * @returns 32 bytes, which the caller wipes
   * @throws KMSInternalException where the HSM cannot decrypt the secret
   */
  async signingKey(
    found: ActiveAccessKey | undefined,
    date: string,
    region: string,
    service: string,
  ): Promise<Buffer> {
    if (date !== this.#day) this.#forget(date);
    const name = `${found?.accessKeyId ?? ''}/${region}/${service}`;
    const cached = this.#signingKeys.get(name);
    if (cached?.text === (found?.text ?? '')) return Buffer.from(cached.key);
    const secret = found ? await this.#secret(found) : await this.store.random(40);
    const key = signingKey(secret, date, region, service);
    secret.fill(0);
    this.#signingKeys.set(name, { text: found?.text ?? '', key });
    return Buffer.from(key);
  }

  async #secret({ accessKeyId, text }: ActiveAccessKey): Promise<Buffer> {
    const sealed = Buffer.from(accessKeyRecord.parse(JSON.parse(text)).secret, 'base64');
    const message = { iv: sealed.subarray(0, ivLength), ciphertext: sealed.subarray(ivLength) };
    try {
      return await this.store.decrypt(this.secretsKey, aad(accessKeyId), message);
    } catch (error) {
      throw new exceptions.KMSInternalException('The secret of this access key cannot be read.', {
        cause: error,
      });
    }
  }

  #forget(day: string): void {
    for (const { key } of this.#signingKeys.values()) key.fill(0);
    this.#signingKeys.clear();
    this.#day = day;
  }
}

function aad(accessKeyId: string): Buffer {
  return Buffer.from(`access-key/${accessKeyId}`);
}

function randomText(alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
}
