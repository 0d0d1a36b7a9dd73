// AssumeRole, GetCallerIdentity, GetSessionToken.
import { exceptions } from '../../../proto/errors.js';
import type { AssumeRoleRequest, IdentityTag } from '../../../proto/generated/messages.js';
import { type Caller, sessionOf } from '../../identity/caller.js';
import { assumedRoleArn } from '../../identity/names.js';
import type { RoleRecord } from '../../identity/records.js';
import type { Session } from '../../identity/sessions/session.js';
import { checkTags } from '../iam/identity-changes.js';
import {
  type AnyOperation,
  type ConditionContext,
  type ConditionKeys,
  operation,
  type Services,
} from '../../pipeline/operation.js';
import { checkIdentityPolicy } from '../shared/policy-documents.js';

/** Longest duration, in seconds, of a session that was assumed from another session ("role chaining"). */
const chainedDuration = 3_600;
/** Default duration of the credentials of GetSessionToken, in seconds. */
const defaultDuration = 43_200;
/** Longest durations of the credentials of GetSessionToken, in seconds: for a user, and for the root. */
const userDuration = 129_600;
const rootDuration = 3_600;
const tagsPerSession = 50;

/** Condition keys of STS, and those about tags: of the new session, and of the role. */
const conditionKeys: ConditionKeys<AssumeRoleRequest> = {
  'sts:RoleSessionName': ({ request }) => request.roleSessionName,
  'sts:ExternalId': ({ request }) => request.externalId,
  'sts:TransitiveTagKeys': ({ request }) => request.transitiveTagKeys,
  'aws:TagKeys': (asked) => tagsOf(asked).map(({ key }) => key),
  'aws:RequestTag/': (asked, name) => valueOf(tagsOf(asked), name),
  'aws:ResourceTag/': roleTag,
  'iam:ResourceTag/': roleTag,
};

function tagsOf({
  request: { tags = [] },
  caller,
}: ConditionContext<AssumeRoleRequest>): readonly IdentityTag[] {
  return [...transitiveTags(caller), ...tags];
}

function roleTag(
  { request, services }: ConditionContext<AssumeRoleRequest>,
  name: string,
): string | undefined {
  return valueOf(services.identities.roleByArn(request.roleArn)?.record.tags ?? [], name);
}

/** If a tag key appears twice, the last tag counts. */
function valueOf(tags: readonly IdentityTag[], name: string): string | undefined {
  return tags.findLast(({ key }) => key.toLowerCase() === name)?.value;
}

const assumeRole = operation({
  name: 'AssumeRole',
  service: 'sts',
  readOnly: true,
  permissions: [
    { action: 'sts:AssumeRole', resource: ({ roleArn }) => roleArn, trust, conditionKeys },
    {
      action: 'sts:TagSession',
      resource: ({ roleArn }) => roleArn,
      trust,
      conditionKeys,
      when: ({ tags = [] }, caller) => tags.length > 0 || transitiveTags(caller).length > 0,
    },
  ],
  audited: [
    'roleArn',
    'roleSessionName',
    'durationSeconds',
    'externalId',
    'policyArns',
    'policy',
    'tags',
    'transitiveTagKeys',
  ],
  auditedResponse: ({ credentials, assumedRoleUser }) => ({
    credentials: { accessKeyId: credentials?.accessKeyId, expiration: credentials?.expiration },
    assumedRoleUser,
  }),
  async handle({ request, services, caller }) {
    const { identities, sessions } = services;
    rejectUnsupportedParameters(request);
    const { roleArn, roleSessionName, policy } = request;
    // The trust policy has allowed the caller, so the role exists.
    const role = identities.roleByArn(roleArn)!;
    if (policy !== undefined) checkIdentityPolicy(policy);
    const issuedAt = Math.floor(Date.now() / 1000);
    const session: Session = {
      roleId: role.id,
      name: roleSessionName,
      issuedAt,
      expiresAt: issuedAt + duration(request, caller, role.record.maxSessionDuration),
      policy,
      policies: sessionPolicies(request, services),
      ...sessionTags(request, caller),
    };
    const { accessKeyId, secretAccessKey, sessionToken, packedSize } = await sessions.create(session);
    return {
      response: {
        credentials: { accessKeyId, secretAccessKey, sessionToken, expiration: session.expiresAt },
        assumedRoleUser: {
          assumedRoleId: `${role.id}:${roleSessionName}`,
          arn: assumedRoleArn(identities.account, role.record.roleName, roleSessionName),
        },
        packedPolicySize: packedSize,
      },
    };
  },
});

const getCallerIdentity = operation({
  name: 'GetCallerIdentity',
  service: 'sts',
  readOnly: true,
  // It needs no permission, and cannot be denied ("GetCallerIdentity", AWS STS API Reference).
  permissions: [],
  audited: [],
  handle: ({ caller: { principalId, account, arn } }) => ({
    response: { userId: principalId, account, arn },
  }),
});

const getSessionToken = operation({
  name: 'GetSessionToken',
  service: 'sts',
  readOnly: true,
  // It needs no permission ("GetSessionToken", AWS STS API Reference).
  permissions: [],
  audited: ['durationSeconds'],
  auditedResponse: ({ credentials }) => ({
    credentials: { accessKeyId: credentials?.accessKeyId, expiration: credentials?.expiration },
  }),
  async handle({ request: { durationSeconds, serialNumber, tokenCode }, services: { sessions }, caller }) {
    refuseGiven('GetSessionToken', { SerialNumber: serialNumber, TokenCode: tokenCode });
    if (sessionOf(caller))
      throw new exceptions.AccessDeniedException('Cannot call GetSessionToken with session credentials');
    if (!caller.accessKey)
      throw new exceptions.AccessDeniedException(
        'GetSessionToken is for access keys: sign the request, and do not rely on a client certificate.',
      );
    // The root's credentials last at most an hour, whatever the request asks for.
    const longest = caller.type === 'Root' ? rootDuration : userDuration;
    const issuedAt = Math.floor(Date.now() / 1000);
    const expiration = issuedAt + Math.min(durationSeconds ?? defaultDuration, longest);
    const session = { principalId: caller.principalId, issuedAt, expiresAt: expiration };
    const { accessKeyId, secretAccessKey, sessionToken } = await sessions.create(session);
    return { response: { credentials: { accessKeyId, secretAccessKey, sessionToken, expiration } } };
  },
});

export const stsOperations: readonly AnyOperation[] = [assumeRole, getCallerIdentity, getSessionToken];

function trust({ roleArn }: AssumeRoleRequest, { identities }: Services): RoleRecord | undefined {
  return identities.roleByArn(roleArn)?.record;
}

/** Refuses parameters that would otherwise be ignored. @throws UnsupportedOperationException */
function rejectUnsupportedParameters(request: AssumeRoleRequest): void {
  const { serialNumber, tokenCode, sourceIdentity, providedContexts } = request;
  refuseGiven('AssumeRole', {
    SerialNumber: serialNumber,
    TokenCode: tokenCode,
    SourceIdentity: sourceIdentity,
    ProvidedContexts: providedContexts,
  });
}

function refuseGiven(operation: string, given: Readonly<Record<string, unknown>>): void {
  const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
  if (name !== undefined)
    throw new exceptions.UnsupportedOperationException(`${operation} does not take ${name}: leave it out.`);
}

/** @returns seconds @throws ValidationException */
function duration({ durationSeconds = 3_600 }: AssumeRoleRequest, caller: Caller, longest: number): number {
  if (durationSeconds > longest) {
    throw new exceptions.ValidationException(
      'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    );
  }
  if (caller.type === 'AssumedRole' && durationSeconds > chainedDuration) {
    throw new exceptions.ValidationException(
      'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
    );
  }
  return durationSeconds;
}

/** @throws NoSuchEntityException for a policy that does not exist */
function sessionPolicies(
  { policyArns = [] }: AssumeRoleRequest,
  { identities }: Services,
): Session['policies'] {
  return policyArns.map(({ arn }) => {
    const policy = identities.policyByArn(arn);
    if (!policy) throw new exceptions.NoSuchEntityException(`Policy ${arn} was not found.`);
    return { name: policy.record.policyName, id: policy.record.policyId };
  });
}

/** The tags that the caller's session passes on to sessions that are assumed from it. */
function transitiveTags(caller: Caller): readonly IdentityTag[] {
  if (caller.type !== 'AssumedRole') return [];
  const { tags, transitiveTagKeys } = caller.session;
  const keys = new Set(transitiveTagKeys.map((key) => key.toLowerCase()));
  return tags.filter(({ key }) => keys.has(key.toLowerCase()));
}

/** @throws ValidationException, LimitExceededException */
function sessionTags(
  { tags = [], transitiveTagKeys = [] }: AssumeRoleRequest,
  caller: Caller,
): Pick<Session, 'tags' | 'transitiveTagKeys'> {
  checkTags(tags);
  const inherited = transitiveTags(caller);
  const given = new Set(tags.map(({ key }) => key.toLowerCase()));
  const overridden = inherited.find(({ key }) => given.has(key.toLowerCase()));
  if (overridden) {
    throw new exceptions.ValidationException(
      `The tag '${overridden.key}' is transitive in the calling session and cannot be given anew.`,
    );
  }
  const unknown = transitiveTagKeys.find((key) => !given.has(key.toLowerCase()));
  if (unknown !== undefined) {
    throw new exceptions.ValidationException(
      `The transitive tag key '${unknown}' is not among the tags of the request.`,
    );
  }
  if (inherited.length + tags.length > tagsPerSession) {
    throw new exceptions.LimitExceededException(`A session has at most ${tagsPerSession} tags.`);
  }
  return {
    tags: [...inherited, ...tags],
    transitiveTagKeys: [...inherited.map(({ key }) => key), ...transitiveTagKeys],
  };
}
