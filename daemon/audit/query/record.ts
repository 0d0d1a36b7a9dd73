// The members of a record that queries use, in CloudTrail's format.
import { z } from 'zod';

const text = z.string().optional().catch(undefined);
const object = z.record(z.string(), z.unknown()).nullish().catch(undefined);

const identity = z
  .object({
    type: text,
    arn: text,
    principalId: text,
    accessKeyId: text,
    userName: text,
    invokedBy: text,
    sessionContext: z
      .object({ sessionIssuer: z.object({ arn: text, userName: text, principalId: text }).optional() })
      .optional()
      .catch(undefined),
  })
  .optional()
  .catch(undefined);

const record = z.object({
  sequence: z.number(),
  eventTime: text,
  eventName: text,
  eventType: text,
  userIdentity: identity,
  errorCode: text,
  resources: z
    .array(z.object({ ARN: text }))
    .optional()
    .catch(undefined),
  requestParameters: object,
  responseElements: object,
  serviceEventDetails: object,
});

/** A record, as queries see it; missing or unexpected members are undefined. */
export type AuditRecord = z.output<typeof record>;

/** Parses a line. @returns undefined if it is not a record */
export function parseRecord(line: Buffer): AuditRecord | undefined {
  try {
    return record.safeParse(JSON.parse(line.toString())).data;
  } catch {
    return undefined;
  }
}
