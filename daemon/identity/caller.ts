// Authenticated callers, with everything that policies can refer to.
import type { ActiveAccessKey } from './access-keys.js';
import type { ClientCertificate } from './certificates/certificates.js';
import type { Principal, Role, User } from './identities.js';
import type { IdentityTag } from './records.js';
import type { AnySession, PrincipalSession, Session } from './sessions/session.js';

interface Authenticated {
  /** `aws:userid`: the unique ID; for a session the role's ID, a colon and the session name; for the root the account. */
  readonly principalId: string;
  /** The ARN; for a session its own, while `aws:PrincipalArn` is that of its role. */
  readonly arn: string;
  readonly account: string;
  /** Of the access key or session that signed. */
  readonly accessKeyId: string | undefined;
  /** The access key that signed, if any. */
  readonly accessKey?: ActiveAccessKey | undefined;
  /** The client certificate of the connection, if any. */
  readonly certificate?: ClientCertificate | undefined;
}

/** A principal with long-term credentials, which may also sign with temporary ones. */
interface LongLived extends Authenticated {
  /** The session of GetSessionToken that signed; undefined for an access key or certificate. */
  readonly temporary?: PrincipalSession | undefined;
}

/** The account root. */
export interface RootCaller extends LongLived {
  readonly type: 'Root';
}

/** A user. */
export interface UserCaller extends LongLived {
  readonly type: 'User';
  /** The user in its present state: tags, attached policies, boundary. */
  readonly user: User;
}

/** A session of a role, from AssumeRole or from a certificate that is mapped to a role. */
export interface AssumedRoleCaller extends Authenticated {
  readonly type: 'AssumedRole';
  /** The role in its present state: tags, attached policies, boundary. */
  readonly role: Role;
  readonly session: Session;
}

/** An authenticated caller. */
export type Caller = RootCaller | UserCaller | AssumedRoleCaller;

/** Returns the user or role whose policies apply; undefined for the root, which has none. */
export function identityOf(caller: Caller): User | Role | undefined {
  if (caller.type === 'Root') return undefined;
  return caller.type === 'User' ? caller.user : caller.role;
}

/** Returns the session of temporary credentials, or of a certificate that is mapped to a role. */
export function sessionOf(caller: Caller): AnySession | undefined {
  return caller.type === 'AssumedRole' ? caller.session : caller.temporary;
}

/** Returns the caller with the present state of its user or role. */
export function withIdentity(caller: Caller, principal: Principal): Caller {
  const known = identityOf(caller);
  if (known === undefined || known === principal) return caller;
  return caller.type === 'User'
    ? { ...caller, user: principal as User }
    : { ...(caller as AssumedRoleCaller), role: principal as Role };
}

/** `aws:PrincipalArn`: for a session the role's ARN. */
export function principalArn(caller: Caller): string {
  return caller.type === 'AssumedRole' ? caller.role.arn : caller.arn;
}

/**
 * The tags of `aws:PrincipalTag`. Session tags override the role's tags with the same key, ignoring case ("Passing session
 * tags in AWS STS", IAM User Guide).
 */
export function principalTags(caller: Caller): readonly IdentityTag[] {
  const own = identityOf(caller)?.record.tags ?? [];
  if (caller.type !== 'AssumedRole' || caller.session.tags.length === 0) return own;
  const hidden = new Set(caller.session.tags.map(({ key }) => key.toLowerCase()));
  return [...own.filter(({ key }) => !hidden.has(key.toLowerCase())), ...caller.session.tags];
}
