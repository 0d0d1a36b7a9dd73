// Events of the daemon itself in CloudTrail's format (event version 1.11), and functions for all events.
import { createHash, randomUUID } from 'node:crypto';

/** UTF-16 units of members past which long texts in them are cut: no receiver of the log takes more than 256 KiB. */
const longestMembers = 128 * 1024;
/** Maximum length in UTF-16 units of a text that is not cut, and the length that is kept of a longer one. */
const [longestText, keptText] = [1024, 256];

/** An event that no request caused. */
export interface ServiceEvent {
  readonly eventId: string;
  /** JSON members without braces, for {@link AuditLog.append}. */
  readonly members: string;
}

/**
 * Makes an event of the daemon itself, such as its start.
 * @param data the details
 * @param keyArn ARN of the key that was changed, if any
 * @param error why the action failed, if it did
 */
export function makeServiceEvent(
  eventName: string,
  account: string,
  region: string,
  data: object,
  keyArn?: string,
  error?: { readonly code: string; readonly message: string },
): ServiceEvent {
  const eventId = randomUUID();
  const members = {
    eventVersion: '1.11',
    userIdentity: { type: 'AWSService', invokedBy: 'keyhold' },
    eventSource: 'kms.amazonaws.com',
    awsRegion: region,
    eventType: 'AwsServiceEvent',
    managementEvent: true,
    recipientAccountId: account,
    eventCategory: 'Management',
    eventTime: eventTime(),
    eventName,
    serviceEventDetails: data,
    errorCode: error?.code,
    errorMessage: error?.message,
    readOnly: keyArn === undefined,
    resources:
      keyArn === undefined ? undefined : [{ accountId: account, type: 'AWS::KMS::Key', ARN: keyArn }],
    eventID: eventId,
  };
  return { eventId, members: fitting(withoutBraces(members)) };
}

/**
 * Shortens members until they fit into a record. If they are too long, each text of more than 1,024 UTF-16 units is replaced
 * by its first 256, its length in bytes of UTF-8 and its SHA-256; if that is not enough, so are the whole request, response
 * and details.
 * @param members JSON members without braces
 */
export function fitting(members: string): string {
  if (members.length <= longestMembers) return members;
  const event = cut(JSON.parse(`{${members}}`)) as Record<string, unknown>;
  let text = JSON.stringify(event);
  for (const name of ['requestParameters', 'responseElements', 'serviceEventDetails', 'resources']) {
    if (text.length <= longestMembers) break;
    const value = event[name];
    if (value === undefined || value === null) continue;
    event[name] = { cut: cutText(JSON.stringify(value)) };
    text = JSON.stringify(event);
  }
  return text.slice(1, -1);
}

function cut(value: unknown): unknown {
  if (typeof value === 'string') return value.length > longestText ? cutText(value) : value;
  if (Array.isArray(value)) return value.map(cut);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name.length > longestText ? cutText(name) : name,
      cut(each),
    ]),
  );
}

function cutText(text: string): string {
  const bytes = Buffer.from(text);
  const hash = createHash('sha256').update(bytes).digest('hex');
  return `${text.slice(0, keptText).toWellFormed()}… [cut: ${bytes.length} bytes, SHA-256 ${hash}]`;
}

let second = 0;
let secondText = '';

/** The present time in CloudTrail's format: UTC, whole seconds. */
export function eventTime(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    secondText = `${new Date(now * 1000).toISOString().slice(0, 19)}Z`;
  }
  return secondText;
}

/** Encodes an object as JSON without the outer braces. */
export function withoutBraces(members: object): string {
  return JSON.stringify(members).slice(1, -1);
}
