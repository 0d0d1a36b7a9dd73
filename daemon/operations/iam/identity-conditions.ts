// Condition keys of operations on users and roles: their tags and boundaries, and those in the request.
import type { IdentityTag } from '../../../proto/generated/messages.js';
import type { Principal, Role, User } from '../../identity/identities.js';
import type { ConditionContext } from '../../pipeline/operation.js';

interface UserRequest {
  readonly userName?: string;
}

interface TagRequest {
  readonly tags?: readonly IdentityTag[];
}

/** Condition keys for the tags of the user or role that a request is about. @param find finds it */
export function resourceTags<Request>(find: (asked: ConditionContext<Request>) => Principal | undefined) {
  const value = (asked: ConditionContext<Request>, name: string) => {
    const record = find(asked)?.record;
    return record && record.type !== 'Root' ? valueOf(record.tags, name) : undefined;
  };
  return { 'aws:ResourceTag/': value, 'iam:ResourceTag/': value };
}

/** The user that a request names; without a name, the calling user. */
export function namedUser({ request, services, caller }: ConditionContext<UserRequest>): User | undefined {
  if (request.userName !== undefined) return services.identities.user(request.userName);
  return caller.type === 'User' ? caller.user : undefined;
}

function namedRole({ request, services }: ConditionContext<{ readonly roleName: string }>): Role | undefined {
  return services.identities.role(request.roleName);
}

/** Tags of the user that a request is about. */
export const ofUser = resourceTags(namedUser);

/** Tags of the role that a request is about. */
export const ofRole = resourceTags(namedRole);

// The following keys apply to the same operations, and mean the same, as in IAM ("Actions, resources, and condition keys for
// AWS Identity and Access Management", Service Authorization Reference).

/** ARN of the managed policy that a request attaches or detaches. */
export const namedPolicy = {
  'iam:PolicyARN': ({ request }: ConditionContext<{ readonly policyArn?: string }>) => request.policyArn,
};

/** ARN of the permissions boundary that a request sets, if any. */
export const givenBoundary = {
  'iam:PermissionsBoundary': ({ request }: ConditionContext<{ readonly permissionsBoundary?: string }>) =>
    request.permissionsBoundary,
};

/** ARN of the permissions boundary of a user or role. @param find finds the one that a request is about */
function presentBoundary<Request>(find: (asked: ConditionContext<Request>) => User | Role | undefined) {
  const value = (asked: ConditionContext<Request>) => {
    const { boundary } = find(asked)?.record ?? {};
    return boundary === undefined ? undefined : asked.services.identities.policy(boundary)?.arn;
  };
  return { 'iam:PermissionsBoundary': value };
}

/** ARN of the permissions boundary of the user that a request is about. */
export const boundaryOfUser = presentBoundary(namedUser);

/** ARN of the permissions boundary of the role that a request is about. */
export const boundaryOfRole = presentBoundary(namedRole);

/** Condition keys for the tags in a request. */
export const givenTags = {
  'aws:RequestTag/': ({ request }: ConditionContext<TagRequest>, name: string) =>
    valueOf(request.tags ?? [], name),
  'aws:TagKeys': ({ request }: ConditionContext<TagRequest>) => request.tags?.map(({ key }) => key),
};

/** Condition keys for the tags that a request removes. */
export const namedTags = {
  'aws:TagKeys': ({ request }: ConditionContext<{ readonly tagKeys: readonly string[] }>) => request.tagKeys,
};

function valueOf(tags: readonly IdentityTag[], name: string): string | undefined {
  return tags.find(({ key }) => key.toLowerCase() === name)?.value;
}
