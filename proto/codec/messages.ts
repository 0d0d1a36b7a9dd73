// Maps messages between the wire format and plain objects, driven by the schema.
import type { FieldShape, MessageShape } from '../schema/descriptor.js';
import { exceptions, type ServiceError } from '../errors.js';
import { quote, shown } from '../text.js';
import type { Reader, Writer } from 'protobufjs/minimal.js';
import { scalars } from './scalars.js';
import { enter, leave, readString, readTag, skipField } from './wire.js';

/** A message as a plain object. */
export type Plain = Record<string, unknown>;

/**
 * Reads a message up to the reader's end.
 * @param into the object to fill; an encoder may have written the message in several parts
 * @throws WireError or an error of protobufjs; ValidationException for an unknown enum value, or a key given twice
 */
export function readMessage(reader: Reader, shape: MessageShape, into: Plain): void {
  while (reader.pos < reader.len) {
    const tag = readTag(reader);
    const field = shape.byTag.get(tag);
    if (field === undefined) skipField(reader, tag);
    else if (field.kind === 'map') readEntry(reader, field, into);
    else if (!field.repeated) {
      if (tag === field.tag) into[field.name] = readElement(reader, field, into[field.name]);
      else skipField(reader, tag);
    } else {
      const list = (into[field.name] ??= []) as unknown[];
      if (tag === field.tag) list.push(readElement(reader, field));
      else readPacked(reader, field, list);
    }
  }
}

/** Writes the fields that are set. @throws ValidationException if a value has no encoding, such as an unknown enum value */
export function writeMessage(writer: Writer, shape: MessageShape, plain: Plain): void {
  for (const field of shape.fields) {
    const value = plain[field.name];
    if (value === undefined || value === null) continue;
    if (field.kind === 'map') writeMap(writer, field, value);
    else if (field.repeated) for (const item of value as unknown[]) writeElement(writer, field, item);
    else writeElement(writer, field, value);
  }
}

function readElement(reader: Reader, field: FieldShape, before?: unknown): unknown {
  if (field.message) {
    const message = (before ?? {}) as Plain;
    const outer = enter(reader);
    readMessage(reader, field.message, message);
    leave(reader, outer);
    // Protobuf cannot tell an empty list from an unset one.
    for (const name of field.message.lists) message[name] ??= [];
    return message;
  }
  const value = field.scalar!.read(reader);
  return field.values ? nameOf(field, value as number) : value;
}

function readPacked(reader: Reader, field: FieldShape, list: unknown[]): void {
  const outer = enter(reader);
  while (reader.pos < reader.len) list.push(readElement(reader, field));
  leave(reader, outer);
}

function readEntry(reader: Reader, field: FieldShape, into: Plain): void {
  const map = (into[field.name] ??= Object.create(null)) as Record<string, string>;
  let [key, value] = ['', ''];
  const outer = enter(reader);
  while (reader.pos < reader.len) {
    const tag = readTag(reader);
    if (tag === keyTag) key = readString(reader);
    else if (tag === valueTag) value = readString(reader);
    else skipField(reader, tag);
  }
  leave(reader, outer);
  if (key in map) throw invalid(`Field '${field.name}' holds the key ${quote(key)} twice.`);
  map[key] = value;
}

function nameOf(field: FieldShape, value: number): string {
  const name = field.values!.get(value);
  if (name === undefined)
    throw invalid(`Field '${field.name}' holds ${value}, which its enum does not have.`);
  return name;
}

function writeElement(writer: Writer, field: FieldShape, value: unknown): void {
  writer.uint32(field.tag);
  if (field.message) {
    writer.fork();
    writeMessage(writer, field.message, value as Plain);
    writer.ldelim();
  } else writeScalar(writer, field, field.numbers ? numberOf(field, value) : value);
}

function writeScalar(writer: Writer, { name, scalar }: FieldShape, value: unknown): void {
  if (!scalar!.accepts(value)) throw invalid(`Field '${name}' takes ${scalar!.takes}.`);
  scalar!.write(writer, value as never);
}

/** The tags of a map's entry, StringMapEntry. */
const [keyTag, valueTag] = [0x0a, 0x12];

function writeMap(writer: Writer, field: FieldShape, map: unknown): void {
  if (typeof map !== 'object' || Array.isArray(map))
    throw invalid(`Field '${field.name}' takes an object of strings.`);
  for (const key of Object.keys(map!)) {
    writer.uint32(field.tag);
    writer.fork();
    writeText(writer, field, keyTag, key);
    writeText(writer, field, valueTag, (map as Plain)[key]);
    writer.ldelim();
  }
}

function writeText(writer: Writer, { name }: FieldShape, tag: number, text: unknown): void {
  if (!scalars.string!.accepts(text))
    throw invalid(`Field '${name}' takes an object of strings of well-formed Unicode.`);
  writer.uint32(tag);
  writer.string(text as string);
}

function numberOf(field: FieldShape, value: unknown): number {
  const number = field.numbers!.get(value as string);
  if (number === undefined) {
    const values = [...field.numbers!.keys()].join(', ');
    throw invalid(`'${shown(String(value))}' is not a value of '${field.name}'; its values are: ${values}.`);
  }
  return number;
}

function invalid(message: string): ServiceError {
  return new exceptions.ValidationException(message);
}
