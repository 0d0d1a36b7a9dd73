// The filters of `keyhold audit query`, one row each. A record must pass all that are given.
import { memberOf, timePattern } from '../members.js';
import type { AuditRecord } from './record.js';
import { parseTime } from './time.js';

/** What an argument means. */
export interface Filter {
  /** False rejects a line without parsing it: most lines. */
  readonly mayPass?: (line: Buffer) => boolean;
  readonly passes: (record: AuditRecord) => boolean;
}

export interface FilterSpec {
  /** The option and its argument, as commander takes them. */
  readonly flags: string;
  readonly description: string;
  /** @returns the filter, or what the argument must be @param now milliseconds since the epoch */
  readonly parse: (argument: string, now: number) => Filter | string;
}

export const filterSpecs: Readonly<Record<string, FilterSpec>> = {
  key: {
    flags: '--key <key>',
    description: 'key ID or ARN: records about that key; alias name or ARN: requests that named that alias',
    parse: (key) => ({
      mayPass: holds(escaped(key)),
      passes: ({ resources, requestParameters, responseElements, serviceEventDetails }) =>
        resources?.some(({ ARN }) => ARN === key || ARN?.endsWith(`:key/${key}`)) === true ||
        [requestParameters, responseElements, serviceEventDetails].some((details) => names(details, key)),
    }),
  },
  principal: {
    flags: '--principal <who>',
    description:
      'root, user/NAME, role/NAME (with all its sessions), an ARN, a name, an access key ID or a unique ID',
    parse: (who) => ({
      mayPass: holds(who === 'root' ? '"type":"Root"' : escaped(who)),
      passes: ({ userIdentity, serviceEventDetails }) => {
        if (who === 'root') return userIdentity?.type === 'Root';
        const { accessKeyIds } = serviceEventDetails ?? {};
        if (Array.isArray(accessKeyIds) && accessKeyIds.includes(who)) return true;
        if (!userIdentity) return false;
        const { arn, userName, accessKeyId, principalId, invokedBy, sessionContext } = userIdentity;
        const issuer = sessionContext?.sessionIssuer;
        const own = [arn, userName, accessKeyId, principalId, invokedBy];
        if ([...own, issuer?.arn, issuer?.userName, issuer?.principalId].includes(who)) return true;
        return /^(user|role)\//.test(who) && [arn, issuer?.arn].some((each) => each?.endsWith(`:${who}`));
      },
    }),
  },
  event: {
    flags: '--event <name>',
    description: 'operation, such as Decrypt, or act of the daemon, such as RotateKey or KeyholdCheckpoint',
    parse: (event) => ({
      mayPass: holds(escaped(event)),
      passes: ({ eventName, eventType }) => (eventName ?? eventType) === event,
    }),
  },
  error: {
    flags: '--error <code>',
    description: 'error code, such as AccessDeniedException',
    parse: (code) => ({ mayPass: holds(escaped(code)), passes: ({ errorCode }) => errorCode === code }),
  },
  outcome: {
    flags: '--outcome <success|failure>',
    description: 'whether there is an error',
    parse: (outcome) => {
      if (outcome === 'failure')
        return { mayPass: holds('"errorCode"'), passes: ({ errorCode }) => errorCode !== undefined };
      if (outcome === 'success') return { passes: ({ errorCode }) => errorCode === undefined };
      return "'success' or 'failure'";
    },
  },
  since: {
    flags: '--since <time>',
    description: 'this time or later: ISO 8601, or so long ago, such as 15m, 2h, 7d',
    parse: (argument, now) => timeFilter(argument, now, (time, bound) => time >= bound),
  },
  until: {
    flags: '--until <time>',
    description: 'this time or earlier, given like that of --since',
    parse: (argument, now) => timeFilter(argument, now, (time, bound) => time <= bound),
  },
};

function timeFilter(
  argument: string,
  now: number,
  compare: (time: number, bound: number) => boolean,
): Filter | string {
  const bound = parseTime(argument, now);
  if (bound === undefined)
    return 'a time in ISO 8601, such as 2027-01-31T12:00:00Z, or so long ago, such as 15m, 2h or 7d';
  // Events have whole seconds, so the second of the bound is included.
  const second = Math.floor(bound);
  const isWithin = (time: string) => compare(Date.parse(time) / 1000, second);
  return {
    mayPass: (line) => {
      const time = memberOf(line, 'eventTime', timePattern);
      return time === undefined || isWithin(time);
    },
    passes: ({ eventTime }) => eventTime !== undefined && isWithin(eventTime),
  };
}

/** The members of requests and events in which keys and aliases are named. */
const keyMembers = ['keyId', 'arn', 'targetKeyId', 'sourceKeyId', 'destinationKeyId', 'aliasName'];

/** A key that was made is in its metadata. */
function names(details: Record<string, unknown> | null | undefined, key: string): boolean {
  const metadata = details?.keyMetadata as Record<string, unknown> | null | undefined;
  return [details, metadata].some((each) => keyMembers.some((member) => each?.[member] === key));
}

/** Whether a line has a text in it. */
function holds(text: string): (line: Buffer) => boolean {
  const bytes = Buffer.from(text);
  return (line) => line.includes(bytes);
}

/** A text as written in a record's JSON. */
function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
