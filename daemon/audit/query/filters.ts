// The table of the filters of `keyhold audit query`. A record must pass all given filters.
import { memberOf, timePattern } from '../members.js';
import type { AuditRecord } from './record.js';
import { failureTerm, termOf } from './terms.js';
import { parseTime } from './time.js';

/** A filter with its argument. */
export interface Filter {
  /** Rejects most lines without parsing them, by returning false. */
  readonly mayPass?: (line: Buffer) => boolean;
  readonly passes: (record: AuditRecord) => boolean;
  /** A term that every record has which passes, for {@link FileIndex}. */
  readonly term?: string;
  /** Seconds since 1970 between which every event is which passes. */
  readonly times?: { readonly from?: number; readonly to?: number };
}

/** The option of a filter. */
export interface FilterSpec {
  /** The option and its argument in commander's form. */
  readonly flags: string;
  readonly description: string;
  /**
   * Parses the argument.
   * @param now epoch milliseconds
   * @returns the filter, or a description of valid arguments
   */
  readonly parse: (argument: string, now: number) => Filter | string;
}

/** The filters by name. */
export const filterSpecs: Readonly<Record<string, FilterSpec>> = {
  key: {
    flags: '--key <key>',
    description: 'key ID or ARN: records about that key; alias name or ARN: requests that named that alias',
    parse: (key) => ({
      mayPass: holds(escaped(key)),
      term: indexed(key),
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
      term: indexed(who === 'root' ? 'Root' : who),
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
    description: 'operation, such as Decrypt, or event of the daemon, such as RotateKey or KeyholdCheckpoint',
    parse: (event) => ({
      mayPass: holds(escaped(event)),
      term: indexed(event),
      passes: ({ eventName, eventType }) => (eventName ?? eventType) === event,
    }),
  },
  error: {
    flags: '--error <code>',
    description: 'error code, such as AccessDeniedException',
    parse: (code) => ({
      mayPass: holds(escaped(code)),
      term: indexed(code),
      passes: ({ errorCode }) => errorCode === code,
    }),
  },
  outcome: {
    flags: '--outcome <success|failure>',
    description: 'whether the request succeeded',
    parse: (outcome) => {
      if (outcome === 'failure')
        return {
          mayPass: holds('"errorCode"'),
          term: failureTerm,
          passes: ({ errorCode }) => errorCode !== undefined,
        };
      if (outcome === 'success') return { passes: ({ errorCode }) => errorCode === undefined };
      return "'success' or 'failure'";
    },
  },
  since: {
    flags: '--since <time>',
    description: 'this time or later: ISO 8601, or relative to now, such as 15m, 2h, 7d',
    parse: (argument, now) => timeFilter(argument, now, (from) => ({ from })),
  },
  until: {
    flags: '--until <time>',
    description: 'this time or earlier, in the same formats',
    parse: (argument, now) => timeFilter(argument, now, (to) => ({ to })),
  },
};

function timeFilter(
  argument: string,
  now: number,
  timesOf: (bound: number) => NonNullable<Filter['times']>,
): Filter | string {
  const bound = parseTime(argument, now);
  if (bound === undefined)
    return 'a time in ISO 8601, such as 2027-01-31T12:00:00Z, or relative to now, such as 15m, 2h or 7d';
  // Events have whole seconds, so the second of the bound is included.
  const times = timesOf(Math.floor(bound));
  const { from = -Infinity, to = Infinity } = times;
  const isWithin = (time: string) => Date.parse(time) / 1000 >= from && Date.parse(time) / 1000 <= to;
  return {
    times,
    mayPass: (line) => {
      const time = memberOf(line, 'eventTime', timePattern);
      return time === undefined || isWithin(time);
    },
    passes: ({ eventTime }) => eventTime !== undefined && isWithin(eventTime),
  };
}

/** The members of requests and events in which keys and aliases are named. */
const keyMembers = ['keyId', 'arn', 'targetKeyId', 'sourceKeyId', 'destinationKeyId', 'aliasName'];

/** Whether details name a key or alias. CreateKey names it in its metadata. */
function names(details: Record<string, unknown> | null | undefined, key: string): boolean {
  const metadata = details?.keyMetadata as Record<string, unknown> | null | undefined;
  return [details, metadata].some((each) => keyMembers.some((member) => each?.[member] === key));
}

/** Whether a line has a text in it. */
function holds(text: string): (line: Buffer) => boolean {
  const bytes = Buffer.from(text);
  return (line) => line.includes(bytes);
}

/** The term of a text; each byte of its JSON as a character. */
function indexed(text: string): string {
  return termOf(Buffer.from(escaped(text)).toString('latin1'));
}

/** A text as written in a record's JSON. */
function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
