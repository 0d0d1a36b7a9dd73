// Between the ARNs by which requests name principals and the unique ids that grants bind to.
import type { Identities, Role } from './identities.js';
import { assumedRoleArn, rootArn } from './names.js';

const sessionArn =
  /^arn:aws:sts::([0-9]{12}):assumed-role\/([A-Za-z0-9_+=,.@-]{1,64})\/([A-Za-z0-9_+=,.@-]{2,64})$/;

/**
 * The unique id of whom an ARN names: the account's root (the account), a user, a role, or a session of a role (the
 * role's id, a colon, the session's name), whether it is going on or not.
 * @returns undefined where there is no such principal in the account
 */
export function principalIdOf(arn: string, identities: Identities): string | undefined {
  if (arn === rootArn(identities.account)) return identities.account;
  const [, account, roleName = '', sessionName = ''] = sessionArn.exec(arn) ?? [];
  if (account === undefined) return (identities.userByArn(arn) ?? identities.roleByArn(arn))?.id;
  const role = account === identities.account ? identities.role(roleName) : undefined;
  return role?.record.roleName === roleName ? `${role.id}:${sessionName}` : undefined;
}

/** The ARN of a unique id; the id itself where there is no such principal any more, as AWS shows it. */
export function arnOfPrincipal(id: string, identities: Identities): string {
  if (id === identities.account) return rootArn(id);
  const [own = '', sessionName] = id.split(':');
  const principal = identities.principal(own);
  if (!principal) return id;
  if (sessionName === undefined) return principal.arn;
  return assumedRoleArn(identities.account, (principal as Role).record.roleName, sessionName);
}
