// The interface of the AWS protocols that the endpoint serves. What they have in common is in endpoint.ts.
import type { IncomingHttpHeaders } from 'node:http';
import type { MessageShape } from '../../../proto/schema/descriptor.js';
import type { ServiceError } from '../../../proto/errors.js';

/** A decoded request or response. */
export type Message = Record<string, unknown>;

/** One of AWS's protocols: the encoding of requests and responses. */
export interface Protocol {
  /** The service of the credential scope and of the operations. */
  readonly service: 'kms' | 'sts';
  /** Content-Type of responses. */
  readonly contentType: string;
  /** Returns the operation that a request names. @returns undefined if it names none */
  operationName(headers: IncomingHttpHeaders, body: Buffer): string | undefined;
  /** Decodes a request. @throws SerializationException, ValidationException */
  decode(shape: MessageShape, body: Buffer): Message;
  /** Encodes a response. */
  encode(operation: string, shape: MessageShape, response: Message, requestId: string): string;
  /** Encodes an error. @returns the HTTP status and the body */
  encodeError(error: ServiceError, requestId: string): { readonly status: number; readonly text: string };
}
