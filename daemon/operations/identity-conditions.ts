// Condition keys of operations on users and roles: their tags, and those that a request brings.
import type { IdentityTag } from '../../proto/generated/messages.js';
import type { Principal, User } from '../identity/identities.js';
import type { Asked } from './operation.js';

interface UserRequest {
  readonly userName?: string;
}

interface TagRequest {
  readonly tags?: readonly IdentityTag[];
}

/** @param find the user or role that a request is about */
export function resourceTags<Request>(find: (asked: Asked<Request>) => Principal | undefined) {
  const value = (asked: Asked<Request>, name: string) => {
    const record = find(asked)?.record;
    return record && record.type !== 'Root' ? valueOf(record.tags, name) : undefined;
  };
  return { 'aws:ResourceTag/': value, 'iam:ResourceTag/': value };
}

/** The user whom a request names, else the caller. */
export function namedUser({ request, services, caller }: Asked<UserRequest>): User | undefined {
  if (request.userName !== undefined) return services.identities.user(request.userName);
  return caller.type === 'User' ? caller.user : undefined;
}

export const ofUser = resourceTags(namedUser);

export const ofRole = resourceTags(({ request, services }: Asked<{ readonly roleName: string }>) =>
  services.identities.role(request.roleName),
);

/** Of tags that a request brings. */
export const givenTags = {
  'aws:RequestTag/': ({ request }: Asked<TagRequest>, name: string) => valueOf(request.tags ?? [], name),
  'aws:TagKeys': ({ request }: Asked<TagRequest>) => request.tags?.map(({ key }) => key),
};

/** Of tags that a request takes away. */
export const namedTags = {
  'aws:TagKeys': ({ request }: Asked<{ readonly tagKeys: readonly string[] }>) => request.tagKeys,
};

function valueOf(tags: readonly IdentityTag[], name: string): string | undefined {
  return tags.find(({ key }) => key.toLowerCase() === name)?.value;
}
