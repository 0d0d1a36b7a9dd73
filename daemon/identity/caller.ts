// Who is calling, as it was authenticated, with all that a policy's decision may ask about it.
import type { ActiveAccessKey } from './access-keys.js';
import type { ClientCertificate } from './certificates/certificates.js';
import type { Principal, Role, User } from './identities.js';
import type { IdentityTag } from './records.js';
import type { AnySession, PrincipalSession, Session } from './sessions/session.js';

interface Authenticated {
  /** `aws:userid`: the unique id; of a session the role's, a colon and the session's name; of the root the account. */
  readonly principalId: string;
  /** `aws:PrincipalArn` names the role of a session; this is the session's own. */
  readonly arn: string;
  readonly account: string;
  /** Of the access key or session that signed. */
  readonly accessKeyId: string | undefined;
  /** Where an access key signed. */
  readonly accessKey?: ActiveAccessKey | undefined;
  /** Where the connection bears one. */
  readonly certificate?: ClientCertificate | undefined;
}

/** The root or a user may sign with temporary credentials of its own. */
interface LongLived extends Authenticated {
  /** Of GetSessionToken; undefined: an access key or certificate. */
  readonly temporary?: PrincipalSession | undefined;
}

export interface RootCaller extends LongLived {
  readonly type: 'Root';
}

export interface UserCaller extends LongLived {
  readonly type: 'User';
  /** As it is now: tags, attached policies, boundary. */
  readonly user: User;
}

/** A session of a role, be it of AssumeRole or of a certificate that is mapped to a role. */
export interface AssumedRoleCaller extends Authenticated {
  readonly type: 'AssumedRole';
  /** As it is now: tags, attached policies, boundary. */
  readonly role: Role;
  readonly session: Session;
}

export type Caller = RootCaller | UserCaller | AssumedRoleCaller;

/** The user or role whose policies count; undefined: the root, to whom none is attached. */
export function identityOf(caller: Caller): User | Role | undefined {
  if (caller.type === 'Root') return undefined;
  return caller.type === 'User' ? caller.user : caller.role;
}

/** The session whose temporary credentials signed, or that a certificate stands for. */
export function sessionOf(caller: Caller): AnySession | undefined {
  return caller.type === 'AssumedRole' ? caller.session : caller.temporary;
}

/** The caller with its user or role as the records say it is now. */
export function withIdentity(caller: Caller, principal: Principal): Caller {
  const known = identityOf(caller);
  if (known === undefined || known === principal) return caller;
  return caller.type === 'User'
    ? { ...caller, user: principal as User }
    : { ...(caller as AssumedRoleCaller), role: principal as Role };
}

/** `aws:PrincipalArn`: of a session the role's ARN. */
export function principalArn(caller: Caller): string {
  return caller.type === 'AssumedRole' ? caller.role.arn : caller.arn;
}

/**
 * The tags that `aws:PrincipalTag` tells: of a session its own tags hide the role's of the same key, whatever its case
 * ("Passing session tags in AWS STS", IAM User Guide).
 */
export function principalTags(caller: Caller): readonly IdentityTag[] {
  const own = identityOf(caller)?.record.tags ?? [];
  if (caller.type !== 'AssumedRole' || caller.session.tags.length === 0) return own;
  const hidden = new Set(caller.session.tags.map(({ key }) => key.toLowerCase()));
  return [...own.filter(({ key }) => !hidden.has(key.toLowerCase())), ...caller.session.tags];
}
