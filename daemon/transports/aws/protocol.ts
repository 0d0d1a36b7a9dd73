// The protocols of AWS services that the endpoint speaks. What they have in common is in endpoint.ts.
import type { IncomingHttpHeaders } from 'node:http';
import type { MessageShape } from '../../../proto/schema/descriptor.js';
import type { ServiceError } from '../../../proto/errors.js';

/** A decoded request or response. */
export type Message = Record<string, unknown>;

/** One of AWS's protocols: how requests and replies are written. */
export interface Protocol {
  /** The service in the credential's scope, and of the operations that may be called. */
  readonly service: 'kms' | 'sts';
  /** Content-Type of replies. */
  readonly contentType: string;
  /** The operation that a request names; undefined: none. */
  operationName(headers: IncomingHttpHeaders, body: Buffer): string | undefined;
  /** @throws SerializationException, ValidationException */
  decode(shape: MessageShape, body: Buffer): Message;
  encode(operation: string, shape: MessageShape, response: Message, requestId: string): string;
  encodeError(error: ServiceError, requestId: string): { readonly status: number; readonly text: string };
}
