// Audit events in CloudTrail's shape (event version 1.11), put together from parts that are made once for each
// connection and key: one JSON.stringify of the whole event costs a third of the service's throughput.
import { randomUUID } from 'node:crypto';
import type { Service } from '../../proto/schema/descriptor.js';
import { type Caller, sessionOf } from '../identity/caller.js';
import type { FailureSummary } from '../identity/failed-authentications.js';
import type { Key } from '../keys/keyring.js';
import { fitting, requestParameters, shownResponse } from './audit-shape.js';
import type { NotedSummary } from './noted-requests.js';
import type { AnyOperation } from './operation.js';

/** Where a caller's requests come from: made once for each connection, but for the id that a request may bring. */
export interface Origin {
  readonly caller: Caller;
  readonly region: string;
  /** undefined: it came over the unix socket. */
  readonly sourceAddress: string | undefined;
  readonly userAgent: string;
  /** Members of every event of this connection. */
  readonly members: string;
  /** It came over HTTP without TLS. */
  readonly plainHttp?: boolean;
  /** The id that the client is told, where its protocol tells one. */
  readonly requestId?: string;
}

/** What wrote an event, as CloudTrail names services; Keyhold's own operations are no service of Amazon's. */
const eventSources: Readonly<Record<Service, string>> = {
  kms: 'kms.amazonaws.com',
  sts: 'sts.amazonaws.com',
  keyhold: 'keyhold',
};

/** UTF-16 units of a header in a record: CloudTrail cuts the user agent at 1 KB ("CloudTrail record contents"). */
const longestHeader = 1_024;

/** What CloudTrail tells of a connection with TLS. */
export interface TlsDetails {
  /** `TLSv1.3` */
  readonly tlsVersion: string;
  /** `TLS_AES_128_GCM_SHA256`, or as OpenSSL names those of TLS 1.2. */
  readonly cipherSuite: string;
  readonly clientProvidedHostHeader?: string | undefined;
}

/**
 * @param sourceAddress IP address; undefined for the unix socket
 * @param tlsDetails undefined: without TLS
 */
export function makeOrigin(
  caller: Caller,
  region: string,
  sourceAddress: string | undefined,
  userAgent: string,
  tlsDetails?: TlsDetails,
): Origin {
  const members = {
    eventVersion: '1.11',
    userIdentity: userIdentityOf(caller),
    awsRegion: region,
    sourceIPAddress: sourceAddress ?? 'unix',
    userAgent: userAgent.slice(0, longestHeader),
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: caller.account,
    eventCategory: 'Management',
    tlsDetails: tlsDetails && {
      ...tlsDetails,
      clientProvidedHostHeader: tlsDetails.clientProvidedHostHeader?.slice(0, longestHeader),
    },
  };
  return { caller, region, sourceAddress, userAgent, members: withoutBraces(members) };
}

/** `CloudTrail userIdentity element`, AWS CloudTrail User Guide. */
function userIdentityOf(caller: Caller): object {
  const { principalId, arn, account: accountId, accessKeyId, certificate } = caller;
  const credential = { accessKeyId, credentialId: certificate && `x509:${certificate.fingerprint}` };
  const common = { principalId, arn, accountId, ...credential };
  const attributes = sessionAttributes(caller);
  if (caller.type !== 'AssumedRole') {
    const sessionContext = attributes && { attributes };
    if (caller.type === 'Root') return { type: 'Root', ...common, sessionContext };
    return { type: 'IAMUser', ...common, userName: caller.user.record.userName, sessionContext };
  }
  const { role } = caller;
  const sessionIssuer = {
    type: 'Role',
    principalId: role.id,
    arn: role.arn,
    accountId,
    userName: role.record.roleName,
  };
  return { type: 'AssumedRole', ...common, sessionContext: { sessionIssuer, attributes } };
}

/** Of temporary credentials. */
function sessionAttributes(caller: Caller): object | undefined {
  const session = sessionOf(caller);
  if (!session) return undefined;
  const creationDate = new Date(session.issuedAt * 1000).toISOString().replace('.000', '');
  return { creationDate, mfaAuthenticated: 'false' };
}

/** An event that no request caused. */
export interface ServiceEvent {
  readonly eventId: string;
  /** JSON members without braces, as the audit log takes them. */
  readonly members: string;
}

export interface Event extends ServiceEvent {
  readonly requestId: string;
}

/** What became of a request. */
export interface EventFacts {
  readonly operation: AnyOperation;
  readonly request: Readonly<Record<string, unknown>>;
  readonly keys: readonly Key[];
  readonly keyMaterialId?: string | undefined;
  readonly sourceKeyMaterialId?: string | undefined;
  readonly grantId?: string | undefined;
  readonly requestId: string;
  readonly response?: object | undefined;
  readonly error?: { readonly code: string; readonly message: string } | undefined;
}

export function makeEvent(origin: Origin, facts: EventFacts): Event {
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

/** A change of one key shows its ARN also where the operation returns nothing, as CloudTrail does since December 2022. */
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

function additionalEventData({ keyMaterialId, sourceKeyMaterialId, grantId }: EventFacts): string {
  if (sourceKeyMaterialId !== undefined)
    return `,"additionalEventData":{"destinationKeyMaterialId":"${keyMaterialId}","sourceKeyMaterialId":"${sourceKeyMaterialId}"}`;
  if (keyMaterialId !== undefined) return `,"additionalEventData":{"keyMaterialId":"${keyMaterialId}"}`;
  return grantId === undefined ? '' : `,"additionalEventData":{"grantId":"${grantId}"}`;
}

/**
 * An event of the daemon's own doing, such as its start.
 * @param key the key that it changed, where it changed one
 * @param error why it was not done
 */
export function makeServiceEvent(
  eventName: string,
  account: string,
  region: string,
  data: object,
  key?: Key,
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
    readOnly: key === undefined,
    resources: key && [{ accountId: account, type: 'AWS::KMS::Key', ARN: key.arn }],
    eventID: eventId,
  };
  return { eventId, members: fitting(withoutBraces(members)) };
}

/** An event about those who tried to get in, and did not. */
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

/** An event about connections that were opened, or requests that ended before an operation: one, or many that are counted. */
export function makeNotedEvent(
  account: string,
  region: string,
  asker: Pick<Origin, 'members'> | { readonly address: string },
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

const resources = new WeakMap<Key, string>();

function resourceOf(key: Key, account: string): string {
  let resource = resources.get(key);
  if (resource === undefined) {
    resource = JSON.stringify({ accountId: account, type: 'AWS::KMS::Key', ARN: key.arn });
    resources.set(key, resource);
  }
  return resource;
}

let second = 0;
let secondText = '';

/** Now, to the second, as CloudTrail writes it. */
function eventTime(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    secondText = `${new Date(now * 1000).toISOString().slice(0, 19)}Z`;
  }
  return secondText;
}

function withoutBraces(members: object): string {
  return JSON.stringify(members).slice(1, -1);
}
