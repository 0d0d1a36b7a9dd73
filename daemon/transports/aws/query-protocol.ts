import { decodeAwsQuery, toAwsXml, xmlText } from '../../../proto/aws/query.js';
import { type ErrorCode, errorTable } from '../../../proto/errors.js';
import type { Protocol } from './protocol.js';

const namespace = 'https://sts.amazonaws.com/doc/2011-06-15/';

/** The names and statuses that the query services give errors ("Common errors", AWS STS API Reference). */
const queryErrors: Readonly<Partial<Record<ErrorCode, readonly [code: string, status: number]>>> = {
  AccessDeniedException: ['AccessDenied', 403],
  ExpiredTokenException: ['ExpiredToken', 403],
  IncompleteSignatureException: ['IncompleteSignature', 400],
  InvalidSignatureException: ['SignatureDoesNotMatch', 403],
  KMSInternalException: ['InternalFailure', 500],
  MalformedPolicyDocumentException: ['MalformedPolicyDocument', 400],
  MissingAuthenticationTokenException: ['MissingAuthenticationToken', 403],
  SerializationException: ['MalformedQueryString', 400],
  ThrottlingException: ['Throttling', 400],
  UnknownOperationException: ['InvalidAction', 400],
  UnrecognizedClientException: ['InvalidClientTokenId', 403],
  ValidationException: ['ValidationError', 400],
};

/** The protocol of AWS STS: AWS Query, a form with the operation in Action, answered in XML. */
export const queryProtocol: Protocol = {
  service: 'sts',
  contentType: 'text/xml',
  operationName: (_headers, body) => new URLSearchParams(body.toString('latin1')).get('Action') ?? undefined,
  decode: decodeAwsQuery,
  encode(operation, shape, response, requestId) {
    const result = `<${operation}Result>${toAwsXml(shape, response)}</${operation}Result>`;
    const metadata = `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata>`;
    return `<${operation}Response xmlns="${namespace}">${result}${metadata}</${operation}Response>`;
  },
  encodeError({ code, message }, requestId) {
    const [name, status] = queryErrors[code] ?? [code.replace(/Exception$/, ''), errorTable[code].httpStatus];
    const type = status < 500 ? 'Sender' : 'Receiver';
    const error = `<Error><Type>${type}</Type><Code>${name}</Code><Message>${xmlText(message)}</Message></Error>`;
    const text = `<ErrorResponse xmlns="${namespace}">${error}<RequestId>${requestId}</RequestId></ErrorResponse>`;
    return { status, text };
  },
};
