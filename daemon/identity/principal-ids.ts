// Converts between the ARNs of principals in requests and the unique IDs that policies and grants bind to.
import type { Identities, Role } from './identities.js';
import { assumedRoleArn, rootArn } from './names.js';

const sessionArn =
  /^arn:aws:sts::([0-9]{12}):assumed-role\/([A-Za-z0-9_+=,.@-]{1,64})\/([A-Za-z0-9_+=,.@-]{2,64})$/;

/**
 * Returns the unique ID for an ARN: of the account root (the account), a user, a role, or a session of a role (the role's
 * ID, a colon, the session name), whether the session exists or not.
 * @returns undefined if there is no such principal in the account
 */
export function principalIdOf(arn: string, identities: Identities): string | undefined {
  if (arn === rootArn(identities.account)) return identities.account;
  const [, account, roleName = '', sessionName = ''] = sessionArn.exec(arn) ?? [];
  if (account === undefined) return (identities.userByArn(arn) ?? identities.roleByArn(arn))?.id;
  const role = account === identities.account ? identities.role(roleName) : undefined;
  return role?.record.roleName === roleName ? `${role.id}:${sessionName}` : undefined;
}

/** Returns the ARN for a unique ID; for a deleted principal the ID itself, as AWS does. */
export function arnOfPrincipal(id: string, identities: Identities): string {
  if (id === identities.account) return rootArn(id);
  const [own = '', sessionName] = id.split(':');
  const principal = identities.principal(own);
  if (!principal) return id;
  if (sessionName === undefined) return principal.arn;
  return assumedRoleArn(identities.account, (principal as Role).record.roleName, sessionName);
}
