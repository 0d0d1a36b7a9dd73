// Condition keys that every request has, whatever its operation (IAM User Guide, "AWS global condition context keys").
import { type Caller, principalArn, principalTags } from '../identity/caller.js';
import type { Lookup } from '../policy/patterns.js';
import type { Origin } from './audit-event.js';

type Values = readonly string[] | undefined;

const callerTypes = { Root: 'Account', User: 'User', AssumedRole: 'AssumedRole' } as const;
const tagPrefix = 'aws:principaltag/';

/** By key in lower case. */
const keys: ReadonlyMap<string, (caller: Caller, origin: Origin) => Values> = new Map(
  Object.entries<(caller: Caller, origin: Origin) => Values>({
    'aws:principalarn': (caller) => [principalArn(caller)],
    'aws:principalaccount': ({ account }) => [account],
    'kms:calleraccount': ({ account }) => [account],
    'aws:principaltype': ({ type }) => [callerTypes[type]],
    'aws:userid': ({ principalId }) => [principalId],
    'aws:username': (caller) => (caller.type === 'User' ? [caller.user.record.userName] : undefined),
    'aws:tokenissuetime': (caller) =>
      caller.type === 'AssumedRole' ? [isoTime(caller.session.issuedAt * 1000)] : undefined,
    // Nobody here proves a second factor; credentials that last have no such key, as at AWS.
    'aws:multifactorauthpresent': ({ type }) => (type === 'AssumedRole' ? ['false'] : undefined),
    'aws:sourceip': (_caller, { sourceAddress }) =>
      sourceAddress === undefined ? undefined : [sourceAddress],
    // The unix socket does not leave the machine: what the condition wants is given.
    'aws:securetransport': () => ['true'],
    'aws:useragent': (_caller, { userAgent }) => (userAgent === '' ? undefined : [userAgent]),
    'aws:requestedregion': (_caller, { region }) => [region],
    'aws:currenttime': () => [isoTime(Date.now())],
    'aws:epochtime': () => [String(Math.floor(Date.now() / 1000))],
  }),
);

/**
 * Looks up condition keys.
 * @param own those of the operation, by key in lower case
 */
export function contextOf(
  caller: Caller,
  origin: Origin,
  own: ReadonlyMap<string, Values> | undefined,
): Lookup {
  return (key) => {
    if (own?.has(key)) return own.get(key);
    if (!key.startsWith(tagPrefix)) return keys.get(key)?.(caller, origin);
    const name = key.slice(tagPrefix.length);
    const tag = principalTags(caller).find((each) => each.key.toLowerCase() === name);
    return tag && [tag.value];
  };
}

function isoTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}
