// Formats audit records as lines for people.
import { shown } from './text.js';

/** The members of a record that a line shows. Members that are absent or of another type are left out. */
interface ShownRecord {
  readonly sequence?: unknown;
  readonly eventTime?: unknown;
  readonly eventName?: unknown;
  readonly eventType?: unknown;
  readonly errorCode?: unknown;
  readonly sourceIPAddress?: unknown;
  readonly userIdentity?: { readonly arn?: unknown; readonly invokedBy?: unknown; readonly type?: unknown };
  readonly resources?: readonly { readonly ARN?: unknown }[];
  readonly requestParameters?: Readonly<Record<string, unknown>> | null;
}

/** Applies a style to text, like `Paint` of the command line. */
type Paint = (style: 'bold' | 'dim' | 'red', text: string) => string;

/** Minimum widths of columns in characters; a longer text shifts the columns after it. */
const eventWidth = 22;
const principalWidth = 20;

/**
 * Formats a record as one line: time, event, principal, resource and error. ARNs are shortened by the part that is the same
 * for all resources of a daemon.
 * @param line a line of the log, without its line feed
 * @returns one line; if it is not a record, the line itself with control characters escaped
 */
export function readableAuditLine(line: string, paint: Paint = (_style, text) => text): string {
  let record: ShownRecord;
  try {
    record = JSON.parse(line) as ShownRecord;
  } catch {
    return shown(line, Infinity);
  }
  const { eventTime, eventName, eventType, userIdentity, resources, errorCode, requestParameters } = record;
  const who = text(userIdentity?.arn ?? userIdentity?.invokedBy ?? userIdentity?.type);
  const keys = Array.isArray(resources) ? resources.map(({ ARN }) => shortArn(text(ARN))) : [];
  const about = keys.length > 0 ? keys.join(', ') : aboutOf(requestParameters ?? {});
  return [
    paint('dim', text(eventTime).replace('T', ' ').replace('Z', '')),
    paint('bold', text(eventName ?? eventType).padEnd(eventWidth)),
    shortArn(who).padEnd(principalWidth),
    about,
    errorCode === undefined ? '' : paint('red', text(errorCode)),
  ]
    .filter((part) => part !== '')
    .join('  ')
    .trimEnd();
}

/** Parameters that identify the resource of a request without a key, in order of preference. */
const subjects = ['keyId', 'aliasName', 'userName', 'roleName', 'policyName', 'policyArn', 'roleArn'];

function aboutOf(parameters: Readonly<Record<string, unknown>>): string {
  const name = subjects.find((each) => typeof parameters[each] === 'string');
  return name === undefined ? '' : shortArn(text(parameters[name]));
}

function text(value: unknown): string {
  return typeof value === 'string' ? shown(value) : '';
}

/** Shortens `arn:aws:kms:REGION:ACCOUNT:key/ID` to `key/ID`. */
function shortArn(arn: string): string {
  return arn.replace(/^arn:aws:[a-z]+:[a-z0-9-]*:[0-9]*:/, '');
}
