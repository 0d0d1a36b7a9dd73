// Finds the protocol and the operation of an AWS request before it is authenticated, and refuses what cannot be one.
import type { IncomingMessage } from 'node:http';
import { exceptions, type ServiceError } from '../../../proto/errors.js';
import { type OperationShape, shapeByName } from '../../../proto/schema/descriptor.js';
import { shown } from '../../../proto/text.js';
import { jsonProtocol } from './json-protocol.js';
import type { Protocol } from './protocol.js';
import { queryProtocol } from './query-protocol.js';

/** Protocols by media type. JSON 1.0 is the same as 1.1 for everything that KMS uses. */
const protocols: ReadonlyMap<string, Protocol> = new Map([
  ['application/x-amz-json-1.1', jsonProtocol],
  ['application/x-amz-json-1.0', jsonProtocol],
  ['application/x-www-form-urlencoded', queryProtocol],
]);

/** Returns the query string of a GET. The signature covers it as part of the target. */
export function queryOf({ url = '' }: IncomingMessage): Buffer {
  return Buffer.from(url.slice(url.indexOf('?') + 1), 'latin1');
}

/** Finds the protocol of a request. @returns undefined for an unknown media type */
export function protocolOf({ method, headers }: IncomingMessage): Protocol | undefined {
  if (method === 'GET') return queryProtocol;
  const [mediaType = ''] = (headers['content-type'] ?? '').split(';', 1);
  return protocols.get(mediaType.trim().toLowerCase());
}

/** Finds an operation of a protocol's service by its name. */
export function shapeOf({ service }: Protocol, name: string): OperationShape | undefined {
  const shape = shapeByName.get(name);
  return shape?.service === service ? shape : undefined;
}

/** Returns the reason to refuse a request before its operation begins. @returns undefined if there is none */
export function refusalOf(
  { headers }: IncomingMessage,
  protocol: Protocol | undefined,
  shape: OperationShape | undefined,
): ServiceError | undefined {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    return new exceptions.SerializationException(
      `Send the body as it is, without the encoding ${shown(encoding)}.`,
    );
  if (protocol && shape) return undefined;
  return unknownOperation(protocol);
}

/** Whether a request has credentials, valid or not. @param isCertified whether its connection has a client certificate */
export function bearsCredentials({ headers, url = '' }: IncomingMessage, isCertified: boolean): boolean {
  return isCertified || headers.authorization !== undefined || /[?&]X-Amz-Signature=/i.test(url);
}

/** Makes the error for a request that names no known operation. @param protocol undefined for an unknown media type */
export function unknownOperation(protocol: Protocol | undefined): ServiceError {
  return new exceptions.UnknownOperationException(
    protocol
      ? 'There is no such operation: X-Amz-Target takes TrentService.<Operation>, a form the Action of an operation of STS.'
      : 'Content-Type must be application/x-amz-json-1.1, or for STS application/x-www-form-urlencoded.',
  );
}

/** Returns the headers as alternating names and values, with a Host made from `:authority` if HTTP/2 has none. */
export function headersOf({ rawHeaders, headers, httpVersionMajor }: IncomingMessage): readonly string[] {
  const authority = headers[':authority'];
  if (httpVersionMajor === 1 || headers.host !== undefined || typeof authority !== 'string')
    return rawHeaders;
  return [...rawHeaders, 'host', authority];
}
