// Users, roles and managed policies, decoded from their records.
import type { RecordChange, Records } from '../store/records/records.js';
import { identityArn, nameInArn, rootArn } from './names.js';
import { NameIndex } from './name-index.js';
import {
  type PolicyVersions,
  putVersions,
  readVersions,
  versionNumbered,
  versionsKey,
} from './policy-versions.js';
import { PolicyUses } from './policy-uses.js';
import {
  type PolicyRecord,
  policyRecord,
  type PrincipalRecord,
  principalRecord,
  type RoleRecord,
  type UserRecord,
} from './records.js';

/** A principal. When its record changes the object is replaced, never modified. */
export interface Identity<Record extends PrincipalRecord> {
  /** The unique ID, `AIDA…` or `AROA…`; for the root the account ID. */
  readonly id: string;
  readonly arn: string;
  readonly record: Record;
}

/** A user. */
export type User = Identity<UserRecord>;
/** A role. */
export type Role = Identity<RoleRecord>;
/** A user, a role or the root. */
export type Principal = Identity<PrincipalRecord>;

/** A managed policy. Replaced when the record changes. */
export interface ManagedPolicy {
  readonly arn: string;
  readonly record: PolicyRecord;
}

const prefixes = { principal: 'principal/', policy: 'policy/' } as const;

/** The users, roles and managed policies of the account. */
export class Identities {
  /** Decoded records; an entry is valid only while the record's text is the same. */
  readonly #principals = new Map<string, { text: string; principal: Principal }>();
  readonly #policies = new Map<string, { text: string; policy: ManagedPolicy }>();
  readonly #users = new NameIndex();
  readonly #roles = new NameIndex();
  /** The name of a managed policy is also its ID in the store. */
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

  /** Finds a user, role or the root by unique ID. */
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

  /** Finds a user by name, ignoring case. */
  user(name: string): User | undefined {
    return this.#find(this.#users, name) as User | undefined;
  }

  /** Finds a role by name, ignoring case. */
  role(name: string): Role | undefined {
    return this.#find(this.#roles, name) as Role | undefined;
  }

  /** Finds a role by ARN. */
  roleByArn(arn: string): Role | undefined {
    const role = this.role(nameInArn(arn));
    return role?.arn === arn ? role : undefined;
  }

  /** Finds a user by ARN. */
  userByArn(arn: string): User | undefined {
    const user = this.user(nameInArn(arn));
    return user?.arn === arn ? user : undefined;
  }

  /** Finds a managed policy by name, ignoring case. */
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

  /** Finds a managed policy by ARN. */
  policyByArn(arn: string): ManagedPolicy | undefined {
    const policy = this.policy(nameInArn(arn));
    return policy?.arn === arn ? policy : undefined;
  }

  /** Returns the versions of a managed policy. */
  versionsOf({ record }: ManagedPolicy): PolicyVersions {
    return readVersions(record, this.records.get(versionsKey(record.policyName)));
  }

  /** Iterates over the users in the order of their names. @param after only names after this one */
  *users(after = ''): Iterable<User> {
    for (const id of this.#users.idsAfter(after)) yield this.principal(id) as User;
  }

  /** Like {@link users}. */
  *roles(after = ''): Iterable<Role> {
    for (const id of this.#roles.idsAfter(after)) yield this.principal(id) as Role;
  }

  /** Like {@link users}. */
  *policies(after = ''): Iterable<ManagedPolicy> {
    for (const name of this.#policyNames.idsAfter(after)) yield this.policy(name)!;
  }

  /** Numbers of users, roles and managed policies. */
  get counts(): { readonly users: number; readonly roles: number; readonly policies: number } {
    return { users: this.#users.size, roles: this.#roles.size, policies: this.#policyNames.size };
  }

  /** Numbers of users and roles that have a policy attached, and that have it as their boundary. */
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

/** The changes that remove a managed policy with its versions. @param policyName exactly as in the record */
export function removePolicy(policyName: string): RecordChange[] {
  return [prefixes.policy + policyName, versionsKey(policyName)].map((key) => ({ key, value: undefined }));
}

/** The changes that store the versions of a managed policy, and put the default one in force. */
export function putPolicyVersions(record: PolicyRecord, versions: PolicyVersions): RecordChange[] {
  const { document } = versionNumbered(versions, versions.defaultVersion)!;
  return [putPolicy({ ...record, document }), putVersions(record.policyName, versions)];
}
