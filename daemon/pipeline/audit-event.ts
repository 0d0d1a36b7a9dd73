// Audit events in CloudTrail's shape (event version 1.11), assembled from JSON that is made once for each connection and
// key: JSON.stringify of whole events would cost a third of the service's throughput.
import { randomUUID } from 'node:crypto';
import type { Service } from '../../proto/schema/descriptor.js';
import { eventTime, fitting, type ServiceEvent, withoutBraces } from '../audit/event.js';
import type { FailureSummary } from '../identity/failed-authentications.js';
import { type AuditedOperation, requestParameters, shownResponse } from './audit-shape.js';
import type { RequestContext } from './request-context.js';

/** Sources of events, as CloudTrail names services. Keyhold's own operations belong to no service of Amazon. */
const eventSources: Readonly<Record<Service, string>> = {
  kms: 'kms.amazonaws.com',
  sts: 'sts.amazonaws.com',
  keyhold: 'keyhold',
};

/** An audit event. */
export interface Event extends ServiceEvent {
  readonly requestId: string;
}

/** The part of a key that events show. */
interface AuditedKey {
  readonly arn: string;
}

/** The facts of a request for its event. */
export interface EventFacts {
  readonly operation: AuditedOperation;
  readonly request: Readonly<Record<string, unknown>>;
  /** The keys that the request is about. The JSON of each is cached. */
  readonly keys: readonly AuditedKey[];
  readonly keyMaterialId?: string | undefined;
  readonly sourceKeyMaterialId?: string | undefined;
  readonly grantId?: string | undefined;
  /** The linked Region that asks in the name of the caller, which it has authenticated. */
  readonly requestedBy?: string | undefined;
  readonly requestId: string;
  readonly response?: object | undefined;
  readonly error?: { readonly code: string; readonly message: string } | undefined;
}

/** Makes the event of a request. */
export function makeEvent(origin: RequestContext, facts: EventFacts): Event {
  const { operation, keys, requestId, error } = facts;
  const eventId = randomUUID();
  let members = `${origin.members},"eventTime":"${eventTime()}"`;
  members += `,"eventSource":"${eventSources[operation.service]}","eventName":"${operation.name}"`;
  members += `,"requestParameters":${requestParameters(operation, facts.request)}`;
  members += `,"responseElements":${responseElements(facts)}${additionalEventData(facts)}`;
  if (error) members += `,"errorCode":"${error.code}","errorMessage":${JSON.stringify(error.message)}`;
  members += `,"readOnly":${operation.readOnly},"resources":[`;
  members += keys.map((key) => resourceOf(key, origin.caller.account)).join(',');
  members += `],"requestID":"${requestId}","eventID":"${eventId}"`;
  return { eventId, requestId, members: fitting(members) };
}

/** A change of a key shows its ARN even if the operation returns nothing, as CloudTrail has done since December 2022. */
function responseElements({ operation, response, keys }: EventFacts): string {
  if (!response) return 'null';
  const shown = operation.auditedResponse?.(response);
  const key = operation.readOnly || operation.service !== 'kms' ? undefined : keys.at(-1);
  if (shown) {
    const elements = shownResponse(operation.name, shown);
    return JSON.stringify(
      operation.name === 'CreateGrant' && key ? { ...elements, keyId: key.arn } : elements,
    );
  }
  return key ? `{"keyId":"${key.arn}"}` : 'null';
}

function additionalEventData(facts: EventFacts): string {
  const { keyMaterialId, sourceKeyMaterialId, grantId, requestedBy } = facts;
  if (requestedBy !== undefined) return `,"additionalEventData":{"requestedBy":"${requestedBy}"}`;
  if (sourceKeyMaterialId !== undefined)
    return `,"additionalEventData":{"destinationKeyMaterialId":"${keyMaterialId}","sourceKeyMaterialId":"${sourceKeyMaterialId}"}`;
  if (keyMaterialId !== undefined) return `,"additionalEventData":{"keyMaterialId":"${keyMaterialId}"}`;
  return grantId === undefined ? '' : `,"additionalEventData":{"grantId":"${grantId}"}`;
}

/** Makes the event of failed authentications from one source. */
export function makeFailureEvent(account: string, region: string, summary: FailureSummary): ServiceEvent {
  const eventId = randomUUID();
  const { source, count, first, last, codes, accessKeyIds } = summary;
  const time = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
  const members = {
    eventVersion: '1.11',
    userIdentity: { type: 'Unknown', accountId: account },
    eventSource: eventSources.keyhold,
    awsRegion: region,
    sourceIPAddress: source,
    eventType: 'AwsServiceEvent',
    managementEvent: true,
    recipientAccountId: account,
    eventCategory: 'Management',
    eventTime: eventTime(),
    eventName: 'FailedAuthentication',
    errorCode: Object.keys(codes)[0],
    serviceEventDetails: { count, first: time(first), last: time(last), errorCodes: codes, accessKeyIds },
    readOnly: true,
    eventID: eventId,
  };
  return { eventId, members: fitting(withoutBraces(members)) };
}

/** An opened connection or a refused request, for its record. */
export interface Noted {
  readonly eventName: 'OpenConnection' | 'RefuseRequest';
  /** Why it was refused. */
  readonly errorCode?: string;
  readonly requestId?: string;
  /** Name of the requested operation, if there is such an operation. */
  readonly operation?: string | undefined;
}

/** The content of one record. */
export interface NotedSummary extends Noted {
  readonly count: number;
  /** Epoch milliseconds of the first and of the last. */
  readonly first: number;
  readonly last: number;
  /** IDs of the first few requests. */
  readonly requestIds: readonly string[];
  /** Counts by operation. */
  readonly operations: Readonly<Record<string, number>>;
}

/** Makes the event of opened connections, or of requests that were refused before their operation: one, or a count. */
export function makeNotedEvent(
  account: string,
  region: string,
  asker: Pick<RequestContext, 'members'> | { readonly address: string },
  { eventName, errorCode, count, first, last, requestIds, operations }: NotedSummary,
): ServiceEvent {
  const eventId = randomUUID();
  const common = 'members' in asker ? asker.members : unknownMembers(account, region, asker.address);
  const time = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
  const members = {
    eventSource: eventSources.keyhold,
    eventTime: eventTime(),
    eventName,
    errorCode,
    requestParameters: null,
    responseElements: null,
    serviceEventDetails: {
      count,
      first: time(first),
      last: time(last),
      operations: Object.keys(operations).length > 0 ? operations : undefined,
      requestIDs: requestIds.length > 1 ? requestIds : undefined,
    },
    readOnly: true,
    requestID: requestIds[0],
    eventID: eventId,
  };
  return { eventId, members: fitting(`${common},${withoutBraces(members)}`) };
}

function unknownMembers(account: string, region: string, sourceIPAddress: string): string {
  return withoutBraces({
    eventVersion: '1.11',
    userIdentity: { type: 'Unknown', accountId: account },
    awsRegion: region,
    sourceIPAddress,
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: account,
    eventCategory: 'Management',
  });
}

const resources = new WeakMap<AuditedKey, string>();

function resourceOf(key: AuditedKey, account: string): string {
  let resource = resources.get(key);
  if (resource === undefined) {
    resource = JSON.stringify({ accountId: account, type: 'AWS::KMS::Key', ARN: key.arn });
    resources.set(key, resource);
  }
  return resource;
}
