// Condition keys that every request has, whatever its operation (IAM User Guide, "AWS global condition context keys").
import { principalArn, principalTags, sessionOf } from '../identity/caller.js';
import type { ConditionKeys } from './operation.js';

const callerTypes = { Root: 'Account', User: 'User', AssumedRole: 'AssumedRole' } as const;

/** Condition keys of every request. */
export const globalConditionKeys: ConditionKeys<unknown> = {
  'aws:PrincipalArn': ({ caller }) => principalArn(caller),
  'aws:PrincipalAccount': ({ caller }) => caller.account,
  'kms:CallerAccount': ({ caller }) => caller.account,
  'aws:PrincipalType': ({ caller }) => callerTypes[caller.type],
  'aws:PrincipalTag/': ({ caller }, name) =>
    principalTags(caller).find(({ key }) => key.toLowerCase() === name)?.value,
  'aws:userid': ({ caller }) => caller.principalId,
  'aws:username': ({ caller }) => (caller.type === 'User' ? caller.user.record.userName : undefined),
  'aws:TokenIssueTime': ({ caller }) => {
    const session = sessionOf(caller);
    return session && isoTime(session.issuedAt * 1000);
  },
  // Keyhold has no second factor. Long-term credentials do not have this key, as in AWS.
  'aws:MultiFactorAuthPresent': ({ caller }) => (sessionOf(caller) ? 'false' : undefined),
  'aws:SourceIp': ({ origin }) => origin.sourceAddress,
  // Data on the unix socket does not leave the machine, so it counts as secure.
  'aws:SecureTransport': ({ origin }) => String(!origin.plainHttp),
  'aws:UserAgent': ({ origin }) => origin.userAgent || undefined,
  'aws:RequestedRegion': ({ origin }) => origin.region,
  'aws:CurrentTime': () => isoTime(Date.now()),
  'aws:EpochTime': () => String(Math.floor(Date.now() / 1000)),
};

function isoTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}
