// How the scalar types of the schema are read and written, and what a program may give for each.
import type { WireReader } from './reader.js';
import { wireTypes } from './reader.js';
import type { WireWriter } from './writer.js';

export interface Scalar {
  /** What programs see. */
  readonly kind: 'string' | 'bytes' | 'boolean' | 'number' | 'timestamp';
  /** One of {@link wireTypes}. */
  readonly wireType: number;
  /** What a program has to give, for the error of one that gives something else. */
  readonly takes: string;
  /** Whether a value can be written. */
  readonly accepts: (value: unknown) => boolean;
  readonly read: (reader: WireReader) => unknown;
  /** @param value one that it accepts */
  readonly write: (writer: WireWriter, value: never) => void;
}

function scalar<T>(
  kind: Scalar['kind'],
  wireType: number,
  takes: string,
  accepts: (value: unknown) => value is T,
  read: (reader: WireReader) => T,
  write: (writer: WireWriter, value: T) => void,
): Scalar {
  return { kind, wireType, takes, accepts, read, write };
}

const isNumber = (value: unknown): value is number => typeof value === 'number';
const { varint, fixed64, delimited } = wireTypes;

/** By their names in the schema. */
export const scalars: Readonly<Record<string, Scalar>> = {
  // A lone surrogate has no UTF-8 encoding; encoders would replace it, and two different contexts would become one.
  string: scalar(
    'string',
    delimited,
    'a string of well-formed Unicode',
    (value): value is string => typeof value === 'string' && value.isWellFormed(),
    (reader) => reader.string(),
    (writer, value) => writer.string(value),
  ),
  bytes: scalar(
    'bytes',
    delimited,
    'bytes (a Uint8Array)',
    (value) => value instanceof Uint8Array,
    (reader): Uint8Array => reader.bytes(),
    (writer, value) => writer.bytes(value),
  ),
  bool: scalar(
    'boolean',
    varint,
    'true or false',
    (value) => typeof value === 'boolean',
    (reader) => reader.boolean(),
    (writer, value) => writer.varint(value ? 1 : 0),
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
    (reader) => reader.varint() | 0,
    (writer, value) => writer.int32(value),
  ),
  uint32: scalar(
    'number',
    varint,
    'a whole number of 0 to 4294967295',
    (value): value is number => isNumber(value) && value === value >>> 0,
    (reader) => reader.varint(),
    (writer, value) => writer.varint(value),
  ),
};
