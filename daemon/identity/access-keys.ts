import { IdentityError } from './errors.js';
import type { KeyStore } from '../hsm/key-store.js';
import type { Secrets } from '../hsm/secrets.js';
import type { RecordChange, Records } from '../store/records/records.js';
import { uniqueId } from './names.js';
import { type AccessKeyRecord, accessKeyRecord } from './records.js';
import { SigningKeys } from './signatures/signing-keys.js';

const prefix = 'access-key/';

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

/** What may be told of an access key. */
export interface AccessKeyInfo {
  readonly accessKeyId: string;
  readonly principalId: string;
  readonly active: boolean;
  /** Epoch seconds. */
  readonly createdAt: number;
}

/** Access keys, whose secrets are at rest only under a key that lives in the HSM. */
export class AccessKeys {
  readonly #signingKeys = new SigningKeys();
  /** What `find` found: each request asks for its access key. */
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

  /** Makes an access key for a principal. */
  async create(principalId: string): Promise<NewAccessKey> {
    const accessKeyId = uniqueId('accessKey');
    const secretAccessKey = (await this.store.random(30)).toString('base64');
    const sealed = await this.secrets.seal(prefix + accessKeyId, Buffer.from(secretAccessKey));
    const secret = sealed.toString('base64');
    const record = { principalId, active: true, secret, createdAt: Date.now() / 1000 };
    return { accessKeyId, secretAccessKey, change: putAccessKey(accessKeyId, record) };
  }

  /** Active or not. */
  info(accessKeyId: string): AccessKeyInfo | undefined {
    const record = this.#record(accessKeyId);
    if (!record) return undefined;
    const { principalId, active, createdAt } = record;
    return { accessKeyId, principalId, active, createdAt };
  }

  /** The access keys of a principal, in the order of their ids. */
  of(principalId: string): AccessKeyInfo[] {
    const ids = [...(this.#byPrincipal.get(principalId) ?? [])].sort();
    return ids.map((accessKeyId) => this.info(accessKeyId)!);
  }

  /** The change that lets an access key that exists sign, or keeps it from signing. */
  setActive(accessKeyId: string, active: boolean): RecordChange {
    return putAccessKey(accessKeyId, { ...this.#record(accessKeyId)!, active });
  }

  /** The change that removes an access key. */
  remove(accessKeyId: string): RecordChange {
    return { key: prefix + accessKeyId, value: undefined };
  }

  /** The access key where it exists and is active. */
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

  /** Whether nothing changed since the access key was found. */
  isCurrent(found: ActiveAccessKey): boolean {
    return this.records.get(prefix + found.accessKeyId) === found.text;
  }

  /**
   * The key that signs for a day, Region and service. The HSM is asked once a day for each access key. For an access key
   * that does not exist the key comes from a secret that nobody has, without the HSM.
   * @param date YYYYMMDD
   * @returns 32 bytes, which the caller wipes
   * @throws IdentityError (unreadable-secret) where the HSM cannot decrypt the secret
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
