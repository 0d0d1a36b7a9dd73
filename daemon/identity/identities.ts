// Users, roles and managed policies as the records say they are now.
import type { RecordChange, Records } from '../store/records/records.js';
import { identityArn, nameInArn, rootArn } from './names.js';
import { NameIndex } from './name-index.js';
import { PolicyUses } from './policy-uses.js';
import {
  type PolicyRecord,
  policyRecord,
  type PrincipalRecord,
  principalRecord,
  type RoleRecord,
  type UserRecord,
} from './records.js';

/** A principal with what follows from its record. Replaced, never changed, when the record changes. */
export interface Identity<Record extends PrincipalRecord> {
  /** The unique id, `AIDA…` or `AROA…`; of the root the account's id. */
  readonly id: string;
  readonly arn: string;
  readonly record: Record;
}

export type User = Identity<UserRecord>;
export type Role = Identity<RoleRecord>;
export type Principal = Identity<PrincipalRecord>;

/** A managed policy. Replaced when the record changes. */
export interface ManagedPolicy {
  readonly arn: string;
  readonly record: PolicyRecord;
}

const prefixes = { principal: 'principal/', policy: 'policy/' } as const;

export class Identities {
  /** Decoded records; an entry counts only while the record's text is still the same. */
  readonly #principals = new Map<string, { text: string; principal: Principal }>();
  readonly #policies = new Map<string, { text: string; policy: ManagedPolicy }>();
  readonly #users = new NameIndex();
  readonly #roles = new NameIndex();
  /** Of a managed policy the name is its id: the record bears it. */
  readonly #policyNames = new NameIndex();
  readonly #uses = new PolicyUses();

  constructor(
    private readonly records: Records,
    readonly account: string,
  ) {
    for (const key of records.keys(prefixes.principal)) this.#index(key.slice(prefixes.principal.length));
    for (const key of records.keys(prefixes.policy)) this.#indexPolicy(key.slice(prefixes.policy.length));
    records.observe(prefixes.principal, (key) => this.#index(key.slice(prefixes.principal.length)));
    records.observe(prefixes.policy, (key) => this.#indexPolicy(key.slice(prefixes.policy.length)));
  }

  /** The user, role or root that has a unique id. */
  principal(id: string): Principal | undefined {
    const text = this.records.get(prefixes.principal + id);
    if (text === undefined) {
      this.#principals.delete(id);
      return undefined;
    }
    let entry = this.#principals.get(id);
    if (entry?.text !== text) {
      entry = { text, principal: this.#decode(id, text) };
      this.#principals.set(id, entry);
    }
    return entry.principal;
  }

  /** @param name in upper or lower case */
  user(name: string): User | undefined {
    return this.#find(this.#users, name) as User | undefined;
  }

  /** @param name in upper or lower case */
  role(name: string): Role | undefined {
    return this.#find(this.#roles, name) as Role | undefined;
  }

  roleByArn(arn: string): Role | undefined {
    const role = this.role(nameInArn(arn));
    return role?.arn === arn ? role : undefined;
  }

  userByArn(arn: string): User | undefined {
    const user = this.user(nameInArn(arn));
    return user?.arn === arn ? user : undefined;
  }

  /** @param name in upper or lower case */
  policy(name: string): ManagedPolicy | undefined {
    const exact = this.#policyNames.id(name);
    const text = exact === undefined ? undefined : this.records.get(prefixes.policy + exact);
    if (exact === undefined || text === undefined) return undefined;
    let entry = this.#policies.get(exact);
    if (entry?.text !== text) {
      const record = policyRecord.parse(JSON.parse(text));
      const arn = identityArn(this.account, 'policy', record.path, record.policyName);
      entry = { text, policy: { arn, record } };
      this.#policies.set(exact, entry);
    }
    return entry.policy;
  }

  policyByArn(arn: string): ManagedPolicy | undefined {
    const policy = this.policy(nameInArn(arn));
    return policy?.arn === arn ? policy : undefined;
  }

  /** Users in the order of their names. @param after only those whose name comes after this one */
  *users(after = ''): Iterable<User> {
    for (const id of this.#users.idsAfter(after)) yield this.principal(id) as User;
  }

  /** As users. */
  *roles(after = ''): Iterable<Role> {
    for (const id of this.#roles.idsAfter(after)) yield this.principal(id) as Role;
  }

  /** As users. */
  *policies(after = ''): Iterable<ManagedPolicy> {
    for (const name of this.#policyNames.idsAfter(after)) yield this.policy(name)!;
  }

  get counts(): { readonly users: number; readonly roles: number; readonly policies: number } {
    return { users: this.#users.size, roles: this.#roles.size, policies: this.#policyNames.size };
  }

  /** How many users and roles have a policy attached, and how many have it for their boundary. */
  usesOf(policyName: string): { readonly attached: number; readonly boundary: number } {
    return this.#uses.count(policyName);
  }

  #find(index: NameIndex, name: string): Principal | undefined {
    const id = index.id(name);
    return id === undefined ? undefined : this.principal(id);
  }

  #decode(id: string, text: string): Principal {
    const record = principalRecord.parse(JSON.parse(text));
    return { id, arn: this.#arn(record), record };
  }

  #arn(record: PrincipalRecord): string {
    if (record.type === 'Root') return rootArn(this.account);
    if (record.type === 'User') return identityArn(this.account, 'user', record.path, record.userName);
    return identityArn(this.account, 'role', record.path, record.roleName);
  }

  #index(id: string): void {
    const record = this.principal(id)?.record;
    this.#users.set(id, record?.type === 'User' ? record.userName : undefined);
    this.#roles.set(id, record?.type === 'Role' ? record.roleName : undefined);
    this.#uses.set(id, record?.type === 'Root' ? undefined : record);
  }

  #indexPolicy(name: string): void {
    this.#policyNames.set(name, this.records.get(prefixes.policy + name) === undefined ? undefined : name);
    if (this.#policyNames.id(name) === undefined) this.#policies.delete(name);
  }
}

/** The change that stores a user or role. */
export function putPrincipal(id: string, record: PrincipalRecord): RecordChange {
  return { key: prefixes.principal + id, value: JSON.stringify(record) };
}

/** The change that removes a user or role. */
export function removePrincipal(id: string): RecordChange {
  return { key: prefixes.principal + id, value: undefined };
}

/** The change that stores a managed policy. */
export function putPolicy(record: PolicyRecord): RecordChange {
  return { key: prefixes.policy + record.policyName, value: JSON.stringify(record) };
}

/** The change that removes a managed policy. @param policyName as the record has it */
export function removePolicy(policyName: string): RecordChange {
  return { key: prefixes.policy + policyName, value: undefined };
}
