// Grants: who else may use a key, and for what (AWS KMS Developer Guide, "Grants in AWS KMS").
import { createHash, randomBytes } from 'node:crypto';
import type { StringMap } from '../../../proto/generated/messages.js';
import { OrderedKeys } from '../../store/records/ordered-keys.js';
import type { Records } from '../../store/records/records.js';
import { contextOf, covers, type Permissions } from './grant-constraints.js';
import { type Grant, grantPrefix, type GrantRecord, grantRecord } from './grant.js';
import { GrantsOfUse } from './grant-index.js';

/** The present grants, indexed. */
export class Grants {
  /** By `<key id>/<grant id>`. */
  readonly #grants = new Map<string, Grant>();
  /** By `<key id>/<grantee id>/<operation>`. */
  readonly #uses = new Map<string, GrantsOfUse>();
  /** Grant ids by `<key id>/<grantee id>`. */
  readonly #ofGrantee = new Map<string, OrderedKeys>();
  /** `<key id>/<grant id>` by retiring principal. */
  readonly #retirable = new Map<string, OrderedKeys>();
  /** Grant ids of named grants by {@link identityOf}, including grants that are being created. */
  readonly #named = new Map<string, string>();

  constructor(private readonly records: Records) {
    for (const key of records.keys(grantPrefix)) this.#set(key, records.get(key));
    records.observe(grantPrefix, (key, text) => this.#set(key, text));
  }

  /** Finds a grant. */
  get(keyId: string, grantId: string): Grant | undefined {
    return this.#grants.get(`${keyId}/${grantId}`);
  }

  /** Returns the number of a key's grants. */
  count(keyId: string): number {
    return this.records.count(`${grantPrefix}${keyId}/`);
  }

  /** Iterates over the grants of a key in the order of their ids. @param after only those with a greater id */
  *of(keyId: string, after = ''): Iterable<Grant> {
    const own = `${grantPrefix}${keyId}/`;
    for (const key of this.records.keys(own, after && own + after)) yield this.#grants.get(nameOf(key))!;
  }

  /** Like {@link of}, for one grantee. */
  *ofGrantee(keyId: string, granteeId: string, after = ''): Iterable<Grant> {
    const ids = this.#ofGrantee.get(`${keyId}/${granteeId}`)?.from(after) ?? [];
    for (const grantId of ids) if (grantId !== after) yield this.get(keyId, grantId)!;
  }

  /**
   * Iterates over the grants that a principal may retire, in the order of `<key id>/<grant id>`.
   * @param after only those greater than this `<key id>/<grant id>`
   */
  *retirableBy(retiringId: string, after = ''): Iterable<Grant> {
    const names = this.#retirable.get(retiringId)?.from(after) ?? [];
    for (const name of names) if (name !== after) yield this.#grants.get(name)!;
  }

  /**
   * Finds a grant that allows a request.
   * @param granteeId as in the record
   * @param operation as CreateGrant names it
   * @param context the request's encryption context
   * @param child for CreateGrant: the permissions of the new grant, all of which one grant must cover
   */
  find(
    { record }: { readonly record: { readonly keyId: string } },
    granteeId: string,
    operation: string,
    context: StringMap | undefined,
    child?: Permissions,
  ): Grant | undefined {
    const use = this.#uses.get(`${record.keyId}/${granteeId}/${operation}`);
    if (!child) return use?.find(context, anyGrant);
    return use?.find(child.constraint && contextOf(child.constraint), (grant) => covers(grant, child));
  }

  /**
   * Returns the id for a grant to be created: that of an identical grant of the same name, if one exists or is being
   * created, or else a new one.
   */
  claim(keyId: string, record: GrantRecord): string {
    const identity = identityOf(keyId, record);
    const known = identity && this.#named.get(identity);
    if (known) return known;
    const grantId = randomBytes(32).toString('hex');
    if (identity) this.#named.set(identity, grantId);
    return grantId;
  }

  /** Withdraws a claim if the grant was not created. */
  disclaim(grant: Grant): void {
    if (!this.get(grant.keyId, grant.grantId)) this.#forgetName(grant);
  }

  #set(key: string, text: string | undefined): void {
    const name = nameOf(key);
    const before = this.#grants.get(name);
    if (before) this.#remove(name, before);
    if (text === undefined) return;
    const [keyId = '', grantId = ''] = name.split('/');
    const grant: Grant = { keyId, grantId, ...grantRecord.parse(JSON.parse(text)) };
    this.#grants.set(name, grant);
    for (const operation of grant.operations)
      entry(this.#uses, useOf(grant, operation), () => new GrantsOfUse(operation)).add(grant);
    entry(this.#ofGrantee, `${keyId}/${grant.granteeId}`, () => new OrderedKeys()).add(grantId);
    if (grant.retiringId !== undefined)
      entry(this.#retirable, grant.retiringId, () => new OrderedKeys()).add(name);
    const identity = identityOf(keyId, grant);
    if (identity) this.#named.set(identity, grantId);
  }

  #remove(name: string, grant: Grant): void {
    const { keyId, grantId, granteeId, retiringId } = grant;
    this.#grants.delete(name);
    for (const operation of grant.operations) {
      const use = useOf(grant, operation);
      if (this.#uses.get(use)?.delete(grant)) this.#uses.delete(use);
    }
    drop(this.#ofGrantee, `${keyId}/${granteeId}`, grantId);
    if (retiringId !== undefined) drop(this.#retirable, retiringId, name);
    this.#forgetName(grant);
  }

  #forgetName(grant: Grant): void {
    const identity = identityOf(grant.keyId, grant);
    if (identity && this.#named.get(identity) === grant.grantId) this.#named.delete(identity);
  }
}

function nameOf(key: string): string {
  return key.slice(grantPrefix.length);
}

function useOf({ keyId, granteeId }: Grant, operation: string): string {
  return `${keyId}/${granteeId}/${operation}`;
}

const anyGrant = () => true;

/** The identity of a named grant, equal for equal grants; undefined for a grant without a name. */
function identityOf(keyId: string, record: GrantRecord): string | undefined {
  const { name, granteeId, retiringId = null, operations, constraint = null } = record;
  if (name === undefined) return undefined;
  const parts = [keyId, name, granteeId, retiringId, [...operations].sort(), constraint];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
}

function entry<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

function drop(map: Map<string, OrderedKeys>, key: string, name: string): void {
  const names = map.get(key);
  names?.delete(name);
  if (names?.isEmpty) map.delete(key);
}
