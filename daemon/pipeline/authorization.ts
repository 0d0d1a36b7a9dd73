// Decides whether a caller has a permission that an operation needs.
import type { Grant } from '../keys/index.js';
import {
  authorize,
  type AuthorizationRequest,
  decisionAbout,
  isAllowedForRoot,
} from '../policy/engine/authorize.js';
import { conditionsOf } from './condition-keys.js';
import type { ConditionContext, Permission } from './operation.js';

type Message = Record<string, unknown>;

/**
 * Checks that the caller has a permission.
 * @throws AccessDeniedException, or the permission's own error for a denied caller
 */
export function checkPermission(permission: Permission<Message>, asked: ConditionContext<Message>): void {
  if (asked.key && !permission.trust && isAllowedForRoot(asked.caller, permission.action, asked.key.record))
    return;
  try {
    authorize(authorizationRequest(permission, asked));
  } catch (error) {
    throw permission.denied?.(asked.request) ?? error;
  }
}

/** Whether the caller has a permission. */
export function isPermitted(permission: Permission<Message>, asked: ConditionContext<Message>): boolean {
  return decisionAbout(authorizationRequest(permission, asked)).allowed;
}

function authorizationRequest(
  permission: Permission<Message>,
  asked: ConditionContext<Message>,
): AuthorizationRequest<Grant> {
  const { action, encryptionContext } = permission;
  const { request, key, services, caller } = asked;
  const { grants, identities } = services;
  return {
    principal: caller,
    action,
    resource: key?.arn ?? permission.resource?.(request, services, caller) ?? '*',
    key: key?.record,
    trust: permission.trust && { role: permission.trust(request, services) },
    identities,
    context: conditionsOf(permission, asked),
    grant:
      key &&
      ((grantee) => {
        if (permission.grant) return permission.grant(asked, grantee);
        const operation = action.slice(action.indexOf(':') + 1);
        return grants.find(key, grantee, operation, encryptionContext?.(request));
      }),
  };
}
