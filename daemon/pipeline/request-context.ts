// Where requests come from: caller, address and the members that all events of one connection share.
import { withoutBraces } from '../audit/event.js';
import { type Caller, sessionOf } from '../identity/caller.js';

/** The protocol of a connection: Keyhold's own, or AWS's. */
export type Transport = 'native' | 'aws';

/** Where a caller's requests come from: made once for each connection. */
export interface RequestContext {
  readonly transport: Transport;
  readonly caller: Caller;
  readonly region: string;
  /** undefined: it came over the unix socket. */
  readonly sourceAddress: string | undefined;
  readonly userAgent: string;
  /** Members of every event of this connection. */
  readonly members: string;
  /** It came over HTTP without TLS. */
  readonly plainHttp?: boolean;
}

/** UTF-16 code units of a header in a record: CloudTrail cuts the user agent at 1 KB ("CloudTrail record contents"). */
const longestHeader = 1_024;

/** CloudTrail's `tlsDetails` of a connection with TLS. */
export interface TlsDetails {
  /** `TLSv1.3` */
  readonly tlsVersion: string;
  /** `TLS_AES_128_GCM_SHA256`, or as OpenSSL names those of TLS 1.2. */
  readonly cipherSuite: string;
  readonly clientProvidedHostHeader?: string | undefined;
}

/**
 * Makes the context that all requests of a connection share.
 * @param sourceAddress IP address; undefined for the unix socket
 * @param tlsDetails undefined: without TLS
 */
export function makeRequestContext(
  transport: Transport,
  caller: Caller,
  region: string,
  sourceAddress: string | undefined,
  userAgent: string,
  tlsDetails?: TlsDetails,
): RequestContext {
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
  return { transport, caller, region, sourceAddress, userAgent, members: withoutBraces(members) };
}

/** The caller as events show it ("CloudTrail userIdentity element", AWS CloudTrail User Guide). */
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

/** Session attributes of temporary credentials; undefined for others. */
function sessionAttributes(caller: Caller): object | undefined {
  const session = sessionOf(caller);
  if (!session) return undefined;
  const creationDate = new Date(session.issuedAt * 1000).toISOString().replace('.000', '');
  return { creationDate, mfaAuthenticated: 'false' };
}
