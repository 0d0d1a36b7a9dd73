// Between the bytes of a frame and the shape that programs see: plain objects with camelCase names, where an unset
// field is absent, enums are AWS KMS's strings, timestamps are epoch seconds, and maps have no prototype.
import protobuf from 'protobufjs';
import {
  type FieldShape,
  type MessageShape,
  type OperationName,
  type OperationShape,
  requestType,
  responseType,
  shapeByField,
  shapeByName,
} from './descriptor.js';
import { exceptions, isErrorCode, ServiceError } from './errors.js';

protobuf.Reader.discardUnknown = true;

type Plain = Record<string, unknown>;

/** A request as it came off the wire; `message` is not validated yet. `error` is set where it cannot be used. */
export interface DecodedRequest {
  readonly id: number;
  /** Milliseconds for which the client waits, 0 for no end. */
  readonly deadline: number;
  readonly operation: OperationShape | undefined;
  readonly message: Plain;
  readonly error: ServiceError | undefined;
}

export type DecodedResponse =
  | { readonly id: number; readonly operation: OperationName; readonly message: Plain }
  | { readonly id: number; readonly error: ServiceError };

/**
 * Decodes a Request frame.
 * @throws protobuf errors where the bytes are no Request at all; a request with an id but unusable content is
 *   returned with `error` set (ValidationException or UnsupportedOperationException).
 */
export function decodeRequest(frame: Uint8Array): DecodedRequest {
  const request = requestType.decode(frame) as unknown as Plain & { id: number; deadline: number };
  const { id, deadline } = request;
  const [field, ...others] = Object.keys(request).filter((name) => shapeByField.has(name));
  const operation = shapeByField.get(field ?? '');
  const refuse = (error: ServiceError) => ({ id, deadline, operation, message: {}, error });
  if (others.length > 0) return refuse(invalid('A request names exactly one operation.'));
  if (operation === undefined) {
    const message = 'The operation is not one that this version has.';
    return refuse(new exceptions.UnsupportedOperationException(message));
  }
  try {
    const message = toPlain(operation.request, request[operation.field] as Plain);
    return { id, deadline, operation, message, error: undefined };
  } catch (error) {
    if (error instanceof ServiceError) return refuse(error);
    throw error;
  }
}

/** Encodes a Request frame. @throws ValidationException where a value has no encoding, such as an unknown enum value */
export function encodeRequest(
  id: number,
  deadline: number,
  operation: OperationShape,
  message: Plain,
): Uint8Array {
  const wire = { id, deadline, [operation.field]: toWire(operation.request, message) };
  return requestType.encode(wire).finish();
}

/** Encodes the Response frame of a request that succeeded. */
export function encodeResponse(id: number, operation: OperationShape, message: Plain): Uint8Array {
  const wire = { id, [operation.field]: toWire(operation.response, message) };
  return responseType.encode(wire).finish();
}

/** Encodes the Response frame of a request that failed. */
export function encodeError(id: number, error: ServiceError): Uint8Array {
  const { code, message, retryable, retryAfter } = error;
  const wire = { id, error: { code, message, retryable, retryAfterMilliseconds: retryAfter } };
  return responseType.encode(wire).finish();
}

/** Decodes a Response frame. @throws protobuf errors where the bytes are no Response */
export function decodeResponse(frame: Uint8Array): DecodedResponse {
  const response = responseType.decode(frame) as unknown as Plain & { id: number };
  const { id } = response;
  if (Object.hasOwn(response, 'error')) {
    const wire = response.error as {
      code: string | null;
      message: string | null;
      retryAfterMilliseconds: number | null;
    };
    const code = isErrorCode(wire.code ?? '')
      ? (wire.code as keyof typeof exceptions)
      : 'KMSInternalException';
    return {
      id,
      error: new exceptions[code](wire.message ?? '', {
        retryAfter: wire.retryAfterMilliseconds ?? undefined,
      }),
    };
  }
  const field = Object.keys(response).find((name) => shapeByField.has(name));
  const operation = shapeByField.get(field ?? '');
  if (operation === undefined) {
    return {
      id,
      error: new exceptions.KMSInternalException('The daemon sent a result that this client does not know.'),
    };
  }
  const message = toPlain(operation.response, response[operation.field] as Plain);
  // The result of a list is a list, also where it is empty; protobuf does not tell that from unset.
  for (const field of operation.response.fields) if (field.repeated) message[field.name] ??= [];
  return { id, operation: operation.name, message };
}

/** The shape of a named operation. @throws UnsupportedOperationException where the schema has no such operation */
export function operationShape(name: string): OperationShape {
  const shape = shapeByName.get(name);
  if (shape === undefined)
    throw new exceptions.UnsupportedOperationException(`There is no operation ${name}.`);
  return shape;
}

function toPlain(shape: MessageShape, wire: Plain): Plain {
  const plain: Plain = {};
  for (const field of shape.fields) {
    const value = wire[field.name];
    // Only what was on the wire is an own property, but for lists; the prototype holds the defaults.
    if (!Object.hasOwn(wire, field.name) || (Array.isArray(value) && value.length === 0)) continue;
    plain[field.name] = valueToPlain(field, value);
  }
  return plain;
}

function valueToPlain(field: FieldShape, value: unknown): unknown {
  if (field.kind === 'map') return mapToPlain(field, value as { key: string; value: string }[]);
  if (field.kind !== 'enum' && field.kind !== 'message') return value;
  return field.repeated
    ? (value as unknown[]).map((item) => elementToPlain(field, item))
    : elementToPlain(field, value);
}

function elementToPlain(field: FieldShape, value: unknown): unknown {
  if (field.message) return toPlain(field.message, value as Plain);
  const name = field.values?.get(value as number);
  if (name === undefined)
    throw invalid(`Field '${field.name}' holds ${String(value)}, which its enum does not have.`);
  return name;
}

function mapToPlain(field: FieldShape, pairs: { key: string; value: string }[]): Record<string, string> {
  const map = Object.create(null) as Record<string, string>;
  for (const { key, value } of pairs) {
    if (key in map) throw invalid(`Field '${field.name}' holds the key ${JSON.stringify(key)} twice.`);
    map[key] = value;
  }
  return map;
}

function toWire(shape: MessageShape, plain: Plain): Plain {
  const wire: Plain = {};
  for (const field of shape.fields) {
    const value = plain[field.name];
    if (value !== undefined && value !== null) wire[field.name] = valueToWire(field, value);
  }
  return wire;
}

function valueToWire(field: FieldShape, value: unknown): unknown {
  if (field.kind === 'map') {
    if (typeof value !== 'object' || Array.isArray(value))
      throw invalid(`Field '${field.name}' takes an object of strings.`);
    return Object.entries(value!).map(([key, text]) => mapEntry(field, key, text));
  }
  if (field.repeated) return (value as unknown[]).map((item) => elementToWire(field, item));
  return elementToWire(field, value);
}

function mapEntry(field: FieldShape, key: string, value: unknown): { key: string; value: string } {
  return { key: wellFormed(field, key), value: wellFormed(field, value) };
}

function elementToWire(field: FieldShape, value: unknown): unknown {
  if (field.kind === 'string') return wellFormed(field, value);
  if (field.message) return toWire(field.message, value as Plain);
  if (field.kind !== 'enum') return value;
  const number = field.numbers?.get(value as string);
  if (number === undefined) {
    const values = [...(field.numbers?.keys() ?? [])].join(', ');
    throw invalid(`'${String(value)}' is not a value of '${field.name}'; its values are: ${values}.`);
  }
  return number;
}

// A lone surrogate has no UTF-8 encoding; encoders would replace it, and two different contexts would become one.
function wellFormed(field: FieldShape, value: unknown): string {
  if (typeof value !== 'string') throw invalid(`Field '${field.name}' takes a string.`);
  if (!value.isWellFormed())
    throw invalid(`Field '${field.name}' holds a string that is not well-formed Unicode.`);
  return value;
}

function invalid(message: string): ServiceError {
  return new exceptions.ValidationException(message);
}
