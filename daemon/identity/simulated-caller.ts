import type { AssumedRoleCaller, Caller } from './caller.js';
import type { Identities, Role } from './identities.js';
import { assumedRoleArn, rootArn } from './names.js';

const sessionPattern = /^arn:aws:sts::[0-9]{12}:assumed-role\/([^/]+)\/([^/]+)$/;

/**
 * Makes the caller that a principal would be, to explain decisions.
 * @param principal `root`, `user/NAME`, `role/NAME`, or an ARN. A role means a session that no policy names and that has no
 *   session policy
 * @returns undefined if there is no such principal
 */
export function simulatedCaller(principal: string, identities: Identities): Caller | undefined {
  const { account } = identities;
  const common = { account, accessKeyId: undefined };
  if (principal === 'root' || principal === rootArn(account))
    return { type: 'Root', principalId: account, arn: rootArn(account), ...common };
  const [, kind, name = ''] = /^(user|role)\/(.+)$/.exec(principal) ?? [];
  const user = kind === 'user' ? identities.user(name) : identities.userByArn(principal);
  if (user) return { type: 'User', principalId: user.id, arn: user.arn, ...common, user };
  const role = kind === 'role' ? identities.role(name) : identities.roleByArn(principal);
  if (role) return sessionOf(role, '*', account);
  const [, roleName = '', sessionName = ''] = sessionPattern.exec(principal) ?? [];
  const assumed = identities.role(roleName);
  if (!assumed || assumedRoleArn(account, assumed.record.roleName, sessionName) !== principal)
    return undefined;
  return sessionOf(assumed, sessionName, account);
}

function sessionOf(role: Role, name: string, account: string): AssumedRoleCaller {
  const issuedAt = Math.floor(Date.now() / 1000);
  const expiresAt = issuedAt + role.record.maxSessionDuration;
  const session = {
    roleId: role.id,
    name,
    issuedAt,
    expiresAt,
    policies: [],
    tags: [],
    transitiveTagKeys: [],
  };
  return {
    type: 'AssumedRole',
    principalId: `${role.id}:${name}`,
    arn: assumedRoleArn(account, role.record.roleName, name),
    account,
    accessKeyId: undefined,
    role,
    session,
  };
}
