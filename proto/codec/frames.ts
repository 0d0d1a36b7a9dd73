// Encodes and decodes frames: protobuf bytes on the wire, plain objects for programs. Names are camelCase, unset fields are
// absent, enums are AWS KMS's strings, timestamps are epoch seconds, and maps have no prototype.
import {
  type MessageShape,
  type OperationName,
  type OperationShape,
  messageShape,
  shapeByName,
  shapeByTag,
} from '../schema/descriptor.js';
import { exceptions, isErrorCode, ServiceError } from '../errors.js';
import { shown } from '../text.js';
import { type Plain, readMessage, writeMessage } from './messages.js';
import { Reader } from 'protobufjs/minimal.js';
import { encode, readEnd, reading, readString, readTag, skipField } from './wire.js';

/** A decoded request; `message` is not validated yet. `error` is set if the request cannot be executed. */
export interface DecodedRequest {
  readonly id: number;
  /** Milliseconds that the client waits; 0 for no limit. */
  readonly deadline: number;
  readonly operation: OperationShape | undefined;
  readonly message: Plain;
  readonly error: ServiceError | undefined;
}

/** A decoded response. */
export type DecodedResponse =
  | {
      readonly id: number;
      readonly operation: OperationName;
      readonly message: Plain;
      /** The request's ID in the audit log; '' if the daemon did not send it. */
      readonly requestId: string;
    }
  | { readonly id: number; readonly error: ServiceError };

const tagOf = (message: string, field: string) => messageShape(message).byName.get(field)!.tag;
/** The tag of the id, which is the same in Request and Response. */
const idTag = tagOf('Request', 'id');
const deadlineTag = tagOf('Request', 'deadline');
const requestIdTag = tagOf('Response', 'requestId');
const errorTag = tagOf('Response', 'error');
const errorShape = messageShape('Error');

/**
 * Decodes a Request frame.
 * @throws WireError if the bytes are not a Request; one with an id but unusable content is returned with `error` set
 *   (ValidationException or UnsupportedOperationException)
 */
export function decodeRequest(frame: Uint8Array): DecodedRequest {
  const { id, deadline, operation, several, reader, bodies } = openFrame(frame);
  try {
    if (several) throw invalid('A request names exactly one operation.');
    if (operation === undefined) {
      const message = 'The operation is not one that this version has.';
      throw new exceptions.UnsupportedOperationException(message);
    }
    const message = readBodies(reader, operation.request, bodies);
    return { id, deadline, operation, message, error: undefined };
  } catch (error) {
    if (error instanceof ServiceError) return { id, deadline, operation, message: {}, error };
    throw error;
  }
}

/** Encodes a Request frame. @throws ValidationException if a value has no encoding, such as an unknown enum value */
export function encodeRequest(
  id: number,
  deadline: number,
  operation: OperationShape,
  message: Plain,
): Uint8Array {
  return writeFrame({ id, deadline }, operation.tag, operation.request, message);
}

/**
 * Encodes the Response frame of a request that succeeded.
 * @param requestId the request's id in the audit log
 */
export function encodeResponse(
  id: number,
  operation: OperationShape,
  message: Plain,
  requestId?: string,
): Uint8Array {
  return writeFrame({ id, requestId }, operation.tag, operation.response, message);
}

/**
 * Encodes the Response frame of a request that failed. Never throws: a waiting client always gets an answer.
 * @param requestId the request's id in the audit log
 */
export function encodeError(id: number, error: ServiceError, requestId?: string): Uint8Array {
  const { code, message, retryable, retryAfter } = error;
  const fields = { code, message, retryable, retryAfterMilliseconds: retryAfter, requestId };
  try {
    return writeFrame({ id }, errorTag, errorShape, fields);
  } catch {
    const plainest = { code: 'KMSInternalException', retryable: true, requestId };
    return writeFrame({ id }, errorTag, errorShape, plainest);
  }
}

/** Decodes a Response frame. @throws WireError if the bytes are not a Response; ServiceError */
export function decodeResponse(frame: Uint8Array): DecodedResponse {
  const { id, operation, requestId, isError, reader, bodies } = openFrame(frame);
  if (isError) return { id, error: toError(readBodies(reader, errorShape, bodies)) };
  if (operation === undefined) {
    return {
      id,
      error: new exceptions.KMSInternalException('The daemon sent a result that this client does not know.'),
    };
  }
  const message = readBodies(reader, operation.response, bodies);
  // The result of a list operation is a list even if it is empty, which protobuf cannot distinguish from unset.
  for (const field of operation.response.fields) if (field.repeated) message[field.name] ??= [];
  return { id, operation: operation.name, message, requestId };
}

/** Finds the shape of an operation. @throws UnsupportedOperationException if the schema has no such operation */
export function operationShape(name: string): OperationShape {
  const shape = shapeByName.get(name);
  if (shape === undefined)
    throw new exceptions.UnsupportedOperationException(`There is no operation ${shown(name)}.`);
  return shape;
}

/** A Request or Response whose body is not read yet. */
interface Frame {
  readonly reader: Reader;
  id: number;
  deadline: number;
  requestId: string;
  operation: OperationShape | undefined;
  /** Whether there is more than one operation. */
  several: boolean;
  isError: boolean;
  /** Start and end of each part of the body; encoders write one part. */
  readonly bodies: number[];
}

function openFrame(bytes: Uint8Array): Frame {
  const reader = Reader.create(asBuffer(bytes));
  const frame: Frame = {
    reader,
    id: 0,
    deadline: 0,
    requestId: '',
    operation: undefined,
    several: false,
    isError: false,
    bodies: [],
  };
  reading(() => readFields(frame));
  return frame;
}

function readFields(frame: Frame): void {
  const { reader } = frame;
  while (reader.pos < reader.len) {
    const tag = readTag(reader);
    const operation = shapeByTag.get(tag);
    if (operation || tag === errorTag) {
      frame.several ||= operation !== (frame.operation ?? operation);
      frame.operation = operation;
      frame.isError ||= tag === errorTag;
      const end = readEnd(reader);
      frame.bodies.push(reader.pos, end);
      reader.pos = end;
    } else if (tag === idTag) frame.id = reader.uint32();
    else if (tag === deadlineTag) frame.deadline = reader.uint32();
    else if (tag === requestIdTag) frame.requestId = readString(reader);
    else skipField(reader, tag);
  }
}

function readBodies(reader: Reader, shape: MessageShape, bodies: readonly number[]): Plain {
  const message: Plain = {};
  reading(() => {
    for (let each = 0; each < bodies.length; each += 2) {
      reader.pos = bodies[each]!;
      reader.len = bodies[each + 1]!;
      readMessage(reader, shape, message);
    }
  });
  return message;
}

/** The parts of a frame besides its body. */
interface Head {
  readonly id: number;
  readonly deadline?: number;
  readonly requestId?: string | undefined;
}

function writeFrame(head: Head, tag: number, shape: MessageShape, message: Plain): Buffer {
  const { id, deadline = 0, requestId = '' } = head;
  return encode((writer) => {
    writer.uint32(idTag).uint32(id);
    if (deadline > 0) writer.uint32(deadlineTag).uint32(deadline);
    if (requestId !== '') writer.uint32(requestIdTag).string(requestId);
    writer.uint32(tag).fork();
    writeMessage(writer, shape, message);
    writer.ldelim();
  });
}

function toError({ code, message, retryAfterMilliseconds, requestId }: Plain): ServiceError {
  const name = isErrorCode(String(code)) ? (code as keyof typeof exceptions) : 'KMSInternalException';
  return new exceptions[name]((message as string | undefined) ?? '', {
    retryAfter: retryAfterMilliseconds as number | undefined,
    requestId: requestId as string | undefined,
  });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function invalid(message: string): ServiceError {
  return new exceptions.ValidationException(message);
}
