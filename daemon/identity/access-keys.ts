import { IdentityError } from './errors.js';
import type { KeyStore } from '../hsm/key-store.js';
import type { Secrets } from '../hsm/secrets.js';
import type { RecordChange, Records } from '../store/records/records.js';
import { uniqueId } from './names.js';
import { type AccessKeyRecord, accessKeyRecord } from './records.js';
import { SigningKeys } from './signatures/signing-keys.js';

const prefix = 'access-key/';

/** A new access key: the change that stores it, and the secret, which its owner sees only once. */
export interface NewAccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly change: RecordChange;
}

/** An access key that exists and is active. */
export interface ActiveAccessKey {
  readonly accessKeyId: string;
  readonly principalId: string;
  /** The record's text; while it has not changed, this object is still right. */
  readonly text: string;
}

/** The public data of an access key. */
export interface AccessKeyInfo {
  readonly accessKeyId: string;
  readonly principalId: string;
  readonly active: boolean;
  /** Epoch seconds. */
  readonly createdAt: number;
}

/** Access keys. Their secrets are stored encrypted under a key in the HSM. */
export class AccessKeys {
  readonly #signingKeys = new SigningKeys();
  /** Results of {@link find}, which each request calls. */
  readonly #active = new Map<string, ActiveAccessKey>();
  /** Access key ids by principal, and the other way round. */
  readonly #byPrincipal = new Map<string, Set<string>>();
  readonly #owners = new Map<string, string>();

  constructor(
    private readonly records: Records,
    private readonly store: KeyStore,
    private readonly secrets: Secrets,
  ) {
    for (const key of records.keys(prefix)) this.#index(key.slice(prefix.length));
    records.observe(prefix, (key) => {
      const accessKeyId = key.slice(prefix.length);
      this.#index(accessKeyId);
      this.#signingKeys.forget(accessKeyId);
    });
  }

  /** Makes an access key for a principal; nothing is stored yet. @throws HsmError */
  async create(principalId: string): Promise<NewAccessKey> {
    const accessKeyId = uniqueId('accessKey');
    const secretAccessKey = (await this.store.random(30)).toString('base64');
    const plaintext = Buffer.from(secretAccessKey);
    const sealed = await this.secrets.seal(prefix + accessKeyId, plaintext).finally(() => plaintext.fill(0));
    const secret = sealed.toString('base64');
    const record = { principalId, active: true, secret, createdAt: Date.now() / 1000 };
    return { accessKeyId, secretAccessKey, change: putAccessKey(accessKeyId, record) };
  }

  /** Returns an access key, active or not. */
  info(accessKeyId: string): AccessKeyInfo | undefined {
    const record = this.#record(accessKeyId);
    if (!record) return undefined;
    const { principalId, active, createdAt } = record;
    return { accessKeyId, principalId, active, createdAt };
  }

  /** Returns the access keys of a principal, in the order of their IDs. */
  of(principalId: string): AccessKeyInfo[] {
    const ids = [...(this.#byPrincipal.get(principalId) ?? [])].sort();
    return ids.map((accessKeyId) => this.info(accessKeyId)!);
  }

  /** Returns the change that activates or deactivates an existing access key. */
  setActive(accessKeyId: string, active: boolean): RecordChange {
    return putAccessKey(accessKeyId, { ...this.#record(accessKeyId)!, active });
  }

  /** Returns the change that deletes an access key. */
  remove(accessKeyId: string): RecordChange {
    return { key: prefix + accessKeyId, value: undefined };
  }

  /** Returns an access key if it exists and is active. */
  find(accessKeyId: string): ActiveAccessKey | undefined {
    const text = this.records.get(prefix + accessKeyId);
    if (text === undefined) return undefined;
    const known = this.#active.get(accessKeyId);
    if (known?.text === text) return known;
    const { active, principalId } = accessKeyRecord.parse(JSON.parse(text));
    if (!active) return undefined;
    const found = { accessKeyId, principalId, text };
    this.#active.set(accessKeyId, found);
    return found;
  }

  /** Whether an access key has not changed since it was found. */
  isCurrent(found: ActiveAccessKey): boolean {
    return this.records.get(prefix + found.accessKeyId) === found.text;
  }

  /**
   * Derives the signing key for a day, Region and service. The HSM is called once a day for each access key. For an access
   * key that does not exist, the key is derived from a random secret, without the HSM.
   * @param date YYYYMMDD
   * @returns 32 bytes, which the caller wipes
   * @throws IdentityError (unreadable-secret) if the HSM cannot decrypt the secret
   */
  signingKey(
    found: ActiveAccessKey | undefined,
    date: string,
    region: string,
    service: string,
  ): Promise<Buffer> {
    return this.#signingKeys.get(
      found,
      { date, region, service },
      () => this.#secret(found!),
      () => this.isCurrent(found!),
    );
  }

  #record(accessKeyId: string): AccessKeyRecord | undefined {
    const text = this.records.get(prefix + accessKeyId);
    return text === undefined ? undefined : accessKeyRecord.parse(JSON.parse(text));
  }

  #index(accessKeyId: string): void {
    this.#active.delete(accessKeyId);
    const known = this.#owners.get(accessKeyId);
    if (known !== undefined) this.#byPrincipal.get(known)?.delete(accessKeyId);
    this.#owners.delete(accessKeyId);
    const record = this.#record(accessKeyId);
    if (!record) return;
    this.#owners.set(accessKeyId, record.principalId);
    const ids = this.#byPrincipal.get(record.principalId) ?? new Set();
    this.#byPrincipal.set(record.principalId, ids.add(accessKeyId));
  }

  async #secret({ accessKeyId, text }: ActiveAccessKey): Promise<Buffer> {
    const sealed = Buffer.from(accessKeyRecord.parse(JSON.parse(text)).secret, 'base64');
    try {
      return await this.secrets.open(prefix + accessKeyId, sealed);
    } catch (error) {
      throw new IdentityError('unreadable-secret', 'The secret of this access key cannot be read.', {
        cause: error,
      });
    }
  }
}

function putAccessKey(accessKeyId: string, record: AccessKeyRecord): RecordChange {
  return { key: prefix + accessKeyId, value: JSON.stringify(record) };
}
