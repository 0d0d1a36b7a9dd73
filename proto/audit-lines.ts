// Audit records as lines for people.
import { shown } from './text.js';

/** Members of a record that a line shows; what is not there, or is something else, is left out. */
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

/** Sets off an error; as `Paint` of the command line. */
type Paint = (style: 'bold' | 'dim' | 'red', text: string) => string;

/** Widths of columns: a longer text moves what follows. */
const eventWidth = 22;
const principalWidth = 20;

/**
 * A record as one line: time, event, who, what it was about, and the error. ARNs are shortened to what tells them apart on one
 * daemon.
 * @param line of the log, without its line feed
 * @returns the line as it is, made fit for a terminal, where it is no record
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

/** What requests that use no key are about. */
const subjects = ['keyId', 'aliasName', 'userName', 'roleName', 'policyName', 'policyArn', 'roleArn'];

function aboutOf(parameters: Readonly<Record<string, unknown>>): string {
  const name = subjects.find((each) => typeof parameters[each] === 'string');
  return name === undefined ? '' : shortArn(text(parameters[name]));
}

function text(value: unknown): string {
  return typeof value === 'string' ? shown(value) : '';
}

/** `key/ID` of `arn:aws:kms:REGION:ACCOUNT:key/ID`. */
function shortArn(arn: string): string {
  return arn.replace(/^arn:aws:[a-z]+:[a-z0-9-]*:[0-9]*:/, '');
}
