// The scalar types of the schema: how each is read and written, and which values it accepts.
import type { Reader, Writer } from 'protobufjs/minimal.js';
import { readString, wireTypes } from './wire.js';

/** A scalar type. */
export interface Scalar {
  /** The type that programs see. */
  readonly kind: 'string' | 'bytes' | 'boolean' | 'number' | 'timestamp';
  /** One of {@link wireTypes}. */
  readonly wireType: number;
  /** The accepted values, for error messages. */
  readonly takes: string;
  /** Whether a value can be written. */
  readonly accepts: (value: unknown) => boolean;
  readonly read: (reader: Reader) => unknown;
  /** @param value one that it accepts */
  readonly write: (writer: Writer, value: never) => void;
}

function scalar<T>(
  kind: Scalar['kind'],
  wireType: number,
  takes: string,
  accepts: (value: unknown) => value is T,
  read: (reader: Reader) => T,
  write: (writer: Writer, value: T) => void,
): Scalar {
  return { kind, wireType, takes, accepts, read, write };
}

const isNumber = (value: unknown): value is number => typeof value === 'number';
const { varint, fixed64, delimited } = wireTypes;

/** The scalar types by their names in the schema. */
export const scalars: Readonly<Record<string, Scalar>> = {
  // Encoders would replace a lone surrogate, which has no UTF-8 encoding, and two different contexts would become the same.
  string: scalar(
    'string',
    delimited,
    'a string of well-formed Unicode',
    (value): value is string => typeof value === 'string' && value.isWellFormed(),
    (reader) => readString(reader),
    (writer, value) => writer.string(value),
  ),
  bytes: scalar(
    'bytes',
    delimited,
    'bytes (a Uint8Array)',
    (value) => value instanceof Uint8Array,
    (reader) => reader.bytes(),
    (writer, value) => writer.bytes(value),
  ),
  bool: scalar(
    'boolean',
    varint,
    'true or false',
    (value) => typeof value === 'boolean',
    (reader) => reader.bool(),
    (writer, value) => writer.bool(value),
  ),
  double: scalar(
    'timestamp',
    fixed64,
    'a number',
    isNumber,
    (reader) => reader.double(),
    (writer, value) => writer.double(value),
  ),
  int32: scalar(
    'number',
    varint,
    'a whole number of −2147483648 to 2147483647',
    (value): value is number => isNumber(value) && value === (value | 0),
    (reader) => reader.int32(),
    (writer, value) => writer.int32(value),
  ),
  uint32: scalar(
    'number',
    varint,
    'a whole number of 0 to 4294967295',
    (value): value is number => isNumber(value) && value === value >>> 0,
    (reader) => reader.uint32(),
    (writer, value) => writer.uint32(value),
  ),
};
