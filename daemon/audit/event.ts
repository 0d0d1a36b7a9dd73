// Events in CloudTrail's shape (event version 1.11) that no request caused, and what all events share.
import { createHash, randomUUID } from 'node:crypto';

/** UTF-16 units of members past which long texts in them are cut: no receiver of the log takes more than 256 KiB. */
const longestMembers = 128 * 1024;
/** UTF-16 units of the longest text that is then kept whole, and of what is kept of a longer one. */
const [longestText, keptText] = [1024, 256];

/** An event that no request caused. */
export interface ServiceEvent {
  readonly eventId: string;
  /** JSON members without braces, as the audit log takes them. */
  readonly members: string;
}

/**
 * An event of the daemon's own doing, such as its start.
 * @param keyArn ARN of the key that it changed, where it changed one
 * @param error why it was not done
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
 * Members that fit into a record. Where they are too long, each text of more than 1,024 UTF-16 units is replaced by its
 * first 256, its length in bytes of UTF-8 and its SHA-256; where that is not enough, request, response and details as a whole.
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

/** Now, as CloudTrail writes it: UTC, whole seconds. */
export function eventTime(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    secondText = `${new Date(now * 1000).toISOString().slice(0, 19)}Z`;
  }
  return secondText;
}

/** An object as JSON, without its braces. */
export function withoutBraces(members: object): string {
  return JSON.stringify(members).slice(1, -1);
}
