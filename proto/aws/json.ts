// The AWS JSON 1.1 protocol (Smithy, "AWS JSON 1.1 protocol"): converts messages (codec/frames.ts) to and from JSON with
// AWS's names, bytes as base64 and times as epoch seconds.
import { namedFields } from './names.js';
import type { FieldShape, MessageShape } from '../schema/descriptor.js';
import { exceptions, type ServiceError } from '../errors.js';
import { hasDuplicateMember } from '../json-members.js';

/** A JSON value. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
type Plain = Record<string, unknown>;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes a request. Unknown members are ignored, and null counts as absent. Enum values are not checked here, because the
 * later validation reports all invalid members together.
 * @param body UTF-8; an empty body means `{}`
 * @throws SerializationException for invalid JSON or values of the wrong type; ValidationException for duplicate members and
 *   strings that are not well-formed Unicode
 */
export function decodeAwsJson(shape: MessageShape, body: Uint8Array): Plain {
  if (body.length === 0) return {};
  let text: string;
  let json: unknown;
  try {
    text = utf8.decode(body);
    json = JSON.parse(text);
  } catch {
    // The parser's message would quote the body, which may contain a plaintext.
    throw malformed('The body is not JSON in UTF-8.');
  }
  if (hasDuplicateMember(text)) throw invalid('The body has an object with two members of the same name.');
  return toPlain(shape, json);
}

/**
 * Converts a message to JSON.
 * @param time converts a time; the default is epoch seconds, as in AWS JSON
 */
export function toAwsJson(
  shape: MessageShape,
  message: Readonly<Plain>,
  time: (seconds: number) => Json = (seconds) => seconds,
): Record<string, Json> {
  const json: Record<string, Json> = {};
  for (const { awsName, field } of namedFields(shape)) {
    const value = message[field.name];
    if (value === undefined) continue;
    const convert = (item: unknown): Json => {
      if (field.message) return toAwsJson(field.message, item as Plain, time);
      if (field.kind === 'bytes') return base64(item as Uint8Array);
      if (field.kind === 'timestamp') return time(item as number);
      return item as Json;
    };
    json[awsName] = field.repeated ? (value as unknown[]).map(convert) : convert(value);
  }
  return json;
}

function toPlain(shape: MessageShape, json: unknown): Plain {
  if (Array.isArray(json)) throw malformed('Start of list found where not expected');
  if (typeof json !== 'object' || json === null)
    throw malformed(`${token(json)} found where an object was expected`);
  const plain: Plain = {};
  for (const { awsName, field } of namedFields(shape)) {
    // Object.hasOwn, since a member's name may be that of a property of Object.prototype.
    const value = Object.hasOwn(json, awsName) ? (json as Plain)[awsName] : undefined;
    if (value === undefined || value === null) continue;
    plain[field.name] = field.repeated ? listToPlain(field, value) : valueToPlain(field, value);
  }
  return plain;
}

function listToPlain(field: FieldShape, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw malformed(`${token(value)} can not be converted to a List`);
  return value.map((item: unknown) => {
    if (item === null) throw nullMember(field);
    return valueToPlain(field, item);
  });
}

function valueToPlain(field: FieldShape, value: unknown): unknown {
  return readers[field.kind](field, value);
}

const readers: Readonly<Record<FieldShape['kind'], (field: FieldShape, value: unknown) => unknown>> = {
  string: wellFormed,
  enum: wellFormed,
  bytes(_field, value) {
    const text = typed(value, 'string', 'Blob');
    if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
      throw malformed('A blob is not written in base64');
    return Buffer.from(text, 'base64');
  },
  boolean: (_field, value) => typed(value, 'boolean', 'Boolean'),
  number(_field, value) {
    const number = typed(value, 'number', 'Integer');
    if (Number.isInteger(number) && Math.abs(number) < 2 ** 31) return number;
    throw malformed('A number is not an integer of 32 bits');
  },
  timestamp: (_field, value) => typed(value, 'number', 'Timestamp'),
  map(field, value) {
    if (typeof value !== 'object' || Array.isArray(value))
      throw malformed(`${token(value)} can not be converted to a Map`);
    // Without a prototype, so that `__proto__` and `constructor` are ordinary keys.
    const map = Object.create(null) as Record<string, string>;
    for (const [key, text] of Object.entries(value as Plain)) {
      if (text === null) throw nullMember(field);
      map[wellFormed(field, key)] = wellFormed(field, text);
    }
    return map;
  },
  message: (field, value) => toPlain(field.message!, value),
};

interface JsonTypes {
  string: string;
  number: number;
  boolean: boolean;
}

function typed<Type extends keyof JsonTypes>(value: unknown, type: Type, name: string): JsonTypes[Type] {
  if (typeof value === type) return value as JsonTypes[Type];
  throw malformed(`${token(value)} can not be converted to ${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`);
}

/** Returns the name of a value's type in AWS's error messages. The value itself may be secret. */
function token(value: unknown): string {
  if (typeof value === 'object') return Array.isArray(value) ? 'START_ARRAY' : 'START_OBJECT';
  if (typeof value === 'boolean') return value ? 'TRUE_VALUE' : 'FALSE_VALUE';
  return typeof value === 'number' ? 'NUMBER_VALUE' : 'STRING_VALUE';
}

// A lone surrogate has no UTF-8 encoding. Encoders would replace it, and two different contexts would become the same.
function wellFormed({ name }: FieldShape, value: unknown): string {
  const text = typed(value, 'string', 'String');
  if (!text.isWellFormed()) throw invalid(`Field '${name}' holds a string that is not well-formed Unicode.`);
  return text;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

function nullMember({ name }: FieldShape): ServiceError {
  const constraint =
    'failed to satisfy constraint: Member must satisfy constraint: [Member must not be null]';
  return invalid(`1 validation error detected: Value at '${name}' ${constraint}`);
}

function malformed(message: string): ServiceError {
  return new exceptions.SerializationException(message);
}

function invalid(message: string): ServiceError {
  return new exceptions.ValidationException(message);
}
