// Additions to protobufjs's Reader and Writer: bounds of nested messages, strict fields, and wiping.
// The wire format: https://protobuf.dev/programming-guides/encoding/
import { BufferWriter, type Reader } from 'protobufjs/minimal.js';
import { ServiceError } from '../errors.js';

/** The bytes are not a protobuf message. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** The lower three bits of a tag. */
export const wireTypes = {
  varint: 0,
  fixed64: 1,
  delimited: 2,
  startGroup: 3,
  endGroup: 4,
  fixed32: 5,
} as const;

/** Maximum depth of nested groups. The schema has no groups, but an unknown field may be one. */
const maxGroupDepth = 32;

/**
 * Runs `read`, and converts the various errors that protobufjs throws for malformed bytes to WireErrors.
 * @throws WireError, or the ServiceError that `read` threw
 */
export function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WireError || error instanceof ServiceError) throw error;
    throw new WireError((error as Error).message, { cause: error });
  }
}

/**
 * Reads a tag. Unlike `Reader.tag`, it refuses field number 0.
 * @returns field number << 3 | wire type
 * @throws WireError or an error of protobufjs
 */
export function readTag(reader: Reader): number {
  const tag = reader.tag();
  if (tag >>> 3 === 0) throw new WireError(`field number 0, before byte ${reader.pos}`);
  return tag;
}

/**
 * Reads a string.
 * @throws WireError or an error of protobufjs, also if it is not UTF-8
 */
export function readString(reader: Reader): string {
  const start = reader.pos;
  const text = reader.string();
  // A replacement character is either in the text or a sign of invalid UTF-8. `stringVerify` takes four times as long.
  if (!text.includes('\ufffd')) return text;
  reader.pos = start;
  return reader.stringVerify();
}

/**
 * Reads the length of a length-delimited value.
 * @returns the offset of the value's end; it begins at `reader.pos`
 * @throws WireError or an error of protobufjs
 */
export function readEnd(reader: Reader): number {
  const length = reader.size();
  const end = reader.pos + length;
  if (end > reader.len) throw new WireError(`a value ends at byte ${end}, its message at ${reader.len}`);
  return end;
}

/**
 * Begins a nested message: until {@link leave} the reader ends at its end. protobufjs alone would let a field of a nested
 * message extend to the end of the outermost message.
 * @returns the end of the outer message, for {@link leave}
 * @throws WireError or an error of protobufjs
 */
export function enter(reader: Reader): number {
  const outer = reader.len;
  reader.len = readEnd(reader);
  return outer;
}

/** Ends a nested message. @param outer what {@link enter} returned */
export function leave(reader: Reader, outer: number): void {
  reader.len = outer;
}

/**
 * Skips an unknown field. Stricter than `Reader.skipType`, which accepts varints of any length.
 * @param tag the field's tag, which was already read
 * @throws WireError or an error of protobufjs
 */
export function skipField(reader: Reader, tag: number, depth = 0): void {
  switch (tag & 7) {
    case wireTypes.varint:
      reader.bool();
      return;
    case wireTypes.fixed64:
      reader.skip(8);
      return;
    case wireTypes.delimited:
      reader.skip(reader.size());
      return;
    case wireTypes.fixed32:
      reader.skip(4);
      return;
    case wireTypes.startGroup:
      if (depth === maxGroupDepth) throw new WireError(`more than ${maxGroupDepth} nested groups`);
      for (let inner = readTag(reader); inner !== tag + 1; inner = readTag(reader))
        skipField(reader, inner, depth + 1);
      return;
    default:
      throw new WireError(`unexpected wire type ${tag & 7}, before byte ${reader.pos}`);
  }
}

/** Bytes of a slab, a piece of memory into which messages are written one after another. */
const slabLength = 64 * 1024;
/** A slab with fewer bytes left than this is replaced; most messages are shorter. */
const minRoom = 8 * 1024;

/** The slabs of the message that is being written: if it does not fit, the writer allocates a larger one. */
let slabs: Buffer[] = [];

class SlabWriter extends BufferWriter {
  static override alloc(size: number): Buffer {
    const slab = Buffer.allocUnsafeSlow(Math.max(size, slabLength));
    slabs.push(slab);
    return slab;
  }
}

let writer = new SlabWriter();

/**
 * Encodes a message. Messages share slabs but no bytes, so none is copied.
 * @param write writes the message; if it throws, its output is wiped
 * @returns the encoded message, which the caller must wipe if it is secret
 */
export function encode(write: (writer: BufferWriter) => void): Buffer {
  if (writer.buf.length - writer.pos < minRoom) beginSlab();
  const start = writer.pos;
  try {
    write(writer);
    return slabs.at(-1)!.subarray(start, writer.pos);
  } catch (error) {
    slabs.at(-1)!.fill(0, start);
    writer.pos = start;
    writer.states = null;
    throw error;
  } finally {
    if (slabs.length > 1) wipeOutgrown(start);
  }
}

function beginSlab(): void {
  slabs = [];
  writer = new SlabWriter();
}

/** Wipes the old copies of a message that moved to a larger slab. @param start the offset of the message in the slab */
function wipeOutgrown(start: number): void {
  const [first, ...larger] = slabs;
  first!.fill(0, start);
  larger.pop()!.fill(0, 0, start);
  for (const slab of larger) slab.fill(0);
  beginSlab();
}
