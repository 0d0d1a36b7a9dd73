// Checks and changes that the operations on users and on roles share.
import { exceptions } from '../../../proto/errors.js';
import type { AttachedPermissionsBoundary, IdentityTag } from '../../../proto/generated/messages.js';
import {
  type Identities,
  type ManagedPolicy,
  putPrincipal,
  type Role,
  type User,
} from '../../identity/identities.js';
import type { RoleRecord, UserRecord } from '../../identity/records.js';
import type { Outcome, Services } from '../../pipeline/operation.js';

const tagsPerIdentity = 50;

/** The fields that the records of users and roles share. */
type Shared = Pick<UserRecord | RoleRecord, 'tags' | 'policies' | 'boundary'>;

/** Finds a user by name. @throws NoSuchEntityException */
export function existingUser(name: string, { identities }: Services): User {
  const user = identities.user(name);
  if (!user) throw new exceptions.NoSuchEntityException(`The user with name ${name} cannot be found.`);
  return user;
}

/** Finds a role by name. @throws NoSuchEntityException */
export function existingRole(name: string, { identities }: Services): Role {
  const role = identities.role(name);
  if (!role) throw new exceptions.NoSuchEntityException(`The role with name ${name} cannot be found.`);
  return role;
}

/** Finds a managed policy by ARN. @throws NoSuchEntityException */
export function existingPolicy(arn: string, { identities }: Services): ManagedPolicy {
  const policy = identities.policyByArn(arn);
  if (!policy) {
    throw new exceptions.NoSuchEntityException(`Policy ${arn} does not exist or is not attachable.`);
  }
  return policy;
}

/**
 * Changes a user or role.
 * @param find finds it: called now, and again when the change is written
 * @param change returns the fields that change
 */
export function changeIdentity<Kind extends UserRecord | RoleRecord>(
  find: () => { readonly id: string; readonly record: Kind },
  change: (record: Kind) => Partial<Kind>,
): Outcome<Record<string, never>> {
  find();
  return {
    response: {},
    changes: () => {
      const { id, record } = find();
      return [putPrincipal(id, { ...record, ...change(record) })];
    },
  };
}

/**
 * Returns an identity's tags with others added. As in IAM, an added tag replaces one whose key differs only in case.
 * @throws ValidationException, LimitExceededException
 */
export function withTags({ tags }: Shared, added: readonly IdentityTag[]): Shared['tags'] {
  checkTags(added);
  const keys = new Set(added.map(({ key }) => key.toLowerCase()));
  const all = [...tags.filter(({ key }) => !keys.has(key.toLowerCase())), ...added];
  if (all.length > tagsPerIdentity) throw quotaExceeded('TagsPerIdentity', tagsPerIdentity);
  return all;
}

/** Returns an identity's tags without those of the given keys, whose case does not matter. */
export function withoutTags({ tags }: Shared, tagKeys: readonly string[]): Shared['tags'] {
  const removed = new Set(tagKeys.map((key) => key.toLowerCase()));
  return tags.filter(({ key }) => !removed.has(key.toLowerCase()));
}

/** Checks the tags of a request. @throws ValidationException for reserved or repeated keys */
export function checkTags(tags: readonly IdentityTag[]): void {
  const keys = tags.map(({ key }) => key.toLowerCase());
  if (new Set(keys).size < keys.length) {
    throw new exceptions.ValidationException(
      'Duplicate tag keys found. Please note that Tag keys are case insensitive.',
    );
  }
  const reserved = keys.find((key) => key.startsWith('aws:'));
  if (reserved !== undefined) {
    throw new exceptions.ValidationException(`Tag keys that begin with "aws:" are reserved: '${reserved}'.`);
  }
}

/**
 * Returns the names of an identity's policies with one added. As in IAM, attaching a policy again changes nothing.
 * @param arn of the policy
 * @param kind of the identity, for the message
 * @throws NoSuchEntityException, LimitExceededException
 */
export function withPolicy(
  { policies }: Shared,
  arn: string,
  kind: 'User' | 'Role',
  services: Services,
): Shared['policies'] {
  const { policyName } = existingPolicy(arn, services).record;
  if (policies.includes(policyName)) return policies;
  const { policiesPerIdentity } = services.limits;
  if (policies.length >= policiesPerIdentity) throw quotaExceeded(`PoliciesPer${kind}`, policiesPerIdentity);
  return [...policies, policyName];
}

/** Returns the names of an identity's policies without one. @throws NoSuchEntityException if it is not attached */
export function withoutPolicy({ policies }: Shared, arn: string, services: Services): Shared['policies'] {
  const name = services.identities.policyByArn(arn)?.record.policyName;
  if (name === undefined || !policies.includes(name)) {
    throw new exceptions.NoSuchEntityException(`Policy ${arn} was not found.`);
  }
  return policies.filter((attached) => attached !== name);
}

/**
 * The policy name under which a record stores a permissions boundary.
 * @param arn of the policy; undefined: no boundary
 * @throws NoSuchEntityException
 */
export function boundaryName(arn: string | undefined, services: Services): string | undefined {
  return arn === undefined ? undefined : existingPolicy(arn, services).record.policyName;
}

/**
 * The change that removes a permissions boundary.
 * @param name of the user or role, for the message
 * @throws NoSuchEntityException if there is no boundary
 */
export function withoutBoundary({ boundary }: Shared, name: string): { boundary: undefined } {
  if (boundary !== undefined) return { boundary: undefined };
  throw new exceptions.NoSuchEntityException(`${name} does not have a permissions boundary.`);
}

/** A permissions boundary as responses show it. */
export function boundaryOf(
  { boundary }: Shared,
  identities: Identities,
): AttachedPermissionsBoundary | undefined {
  const policy = boundary === undefined ? undefined : identities.policy(boundary);
  return policy && { permissionsBoundaryType: 'Policy', permissionsBoundaryArn: policy.arn };
}

/** Checks that no policy keeps an identity from being deleted. @throws DeleteConflictException */
export function checkDetached({ policies }: Shared): void {
  if (policies.length === 0) return;
  throw new exceptions.DeleteConflictException('Cannot delete entity, must detach all policies first.');
}

/** The error for a name that is taken. @param what begins the message, such as `User with name alice` */
export function alreadyExists(what: string) {
  return new exceptions.EntityAlreadyExistsException(`${what} already exists.`);
}

/** The error for a quota that is used up. @param quota its name in IAM */
export function quotaExceeded(quota: string, limit: number) {
  return new exceptions.LimitExceededException(`Cannot exceed quota for ${quota}: ${limit}`);
}
