// What a request of AWS's clients asks for, before it is authenticated: its protocol, its operation, and whether it can be one.
import type { IncomingMessage } from 'node:http';
import { exceptions, type ServiceError } from '../../../proto/errors.js';
import { type OperationShape, shapeByName } from '../../../proto/schema/descriptor.js';
import { shown } from '../../../proto/text.js';
import { excludedOperations } from './excluded.js';
import { jsonProtocol } from './json-protocol.js';
import type { Protocol } from './protocol.js';
import { queryProtocol } from './query-protocol.js';

/** By media type. Clients of JSON 1.0 differ in nothing that KMS uses. */
const protocols: ReadonlyMap<string, Protocol> = new Map([
  ['application/x-amz-json-1.1', jsonProtocol],
  ['application/x-amz-json-1.0', jsonProtocol],
  ['application/x-www-form-urlencoded', queryProtocol],
]);

/** The parameters of a GET, which the signature covers as part of the target. */
export function queryOf({ url = '' }: IncomingMessage): Buffer {
  return Buffer.from(url.slice(url.indexOf('?') + 1), 'latin1');
}

/** The protocol of a request; undefined: its media type is that of none. */
export function protocolOf({ method, headers }: IncomingMessage): Protocol | undefined {
  if (method === 'GET') return queryProtocol;
  const [mediaType = ''] = (headers['content-type'] ?? '').split(';', 1);
  return protocols.get(mediaType.trim().toLowerCase());
}

/** The operation of a protocol's service by its name. */
export function shapeOf({ service }: Protocol, name: string): OperationShape | undefined {
  const shape = shapeByName.get(name);
  return shape?.service === service ? shape : undefined;
}

/** Why a request is refused before its operation begins. */
export function refusalOf(
  { headers }: IncomingMessage,
  protocol: Protocol | undefined,
  shape: OperationShape | undefined,
  name: string,
): ServiceError | undefined {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    return new exceptions.SerializationException(
      `Send the body as it is, without the encoding ${shown(encoding)}.`,
    );
  if (protocol && shape) return undefined;
  const excluded = protocol && excludedOperations.get(name);
  return excluded === undefined
    ? unknownOperation(protocol)
    : new exceptions.UnsupportedOperationException(excluded);
}

/** The name of an operation that AWS has and Keyhold has not; what else a client calls one is not repeated. */
export function excludedName(name: string): string | undefined {
  return excludedOperations.has(name) ? name : undefined;
}

/** Whether a client shows credentials, right or wrong. */
export function bearsCredentials({ headers, url = '' }: IncomingMessage, isCertified: boolean): boolean {
  return isCertified || headers.authorization !== undefined || /[?&]X-Amz-Signature=/i.test(url);
}

/** What a client is told that asks for no operation. @param protocol undefined: its media type is that of none */
export function unknownOperation(protocol: Protocol | undefined): ServiceError {
  return new exceptions.UnknownOperationException(
    protocol
      ? 'There is no such operation: X-Amz-Target takes TrentService.<Operation>, a form the Action of an operation of STS.'
      : 'Content-Type must be application/x-amz-json-1.1, or for STS application/x-www-form-urlencoded.',
  );
}

/** Names and values in turn. HTTP/2 has its request line among them, and no Host. */
export function headersOf({ rawHeaders, headers, httpVersionMajor }: IncomingMessage): readonly string[] {
  const authority = headers[':authority'];
  if (httpVersionMajor === 1 || headers.host !== undefined || typeof authority !== 'string')
    return rawHeaders;
  return [...rawHeaders, 'host', authority];
}
