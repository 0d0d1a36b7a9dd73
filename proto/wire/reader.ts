// The bytes of protobuf messages, taken apart (https://protobuf.dev/programming-guides/encoding/).
import { isUtf8 } from 'node:buffer';

/** The bytes are no protobuf message. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** What follows a tag. */
export const wireTypes = {
  varint: 0,
  fixed64: 1,
  delimited: 2,
  startGroup: 3,
  endGroup: 4,
  fixed32: 5,
} as const;

/** How deep groups, which nothing here uses, may lie in each other. */
const deepestGroup = 32;

export class WireReader {
  /** The next byte. */
  at = 0;
  /** Where the message ends that is being read. */
  end: number;

  constructor(private readonly buffer: Buffer) {
    this.end = buffer.length;
  }

  /** @returns field number << 3 | wire type. @throws WireError */
  tag(): number {
    const tag = this.varint();
    if (tag >>> 3 === 0) throw new WireError(`there is no field 0, at byte ${this.at}`);
    return tag;
  }

  /** @returns the lower 32 bits, as a number of 0 to 2^32 − 1. @throws WireError */
  varint(): number {
    const { buffer } = this;
    const first = this.at < this.end ? buffer[this.at]! : 0x80;
    if (first < 0x80) {
      this.at++;
      return first;
    }
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) throw this.tooShort();
      const byte = buffer[this.at++]!;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new WireError(`a varint of more than ten bytes, at byte ${this.at}`);
  }

  /** @throws WireError */
  boolean(): boolean {
    // Whichever of its 64 bits is set.
    for (let [read, isTrue] = [0, false]; read < 10; read++) {
      if (this.at >= this.end) throw this.tooShort();
      const byte = this.buffer[this.at++]!;
      isTrue ||= (byte & 0x7f) !== 0;
      if (byte < 0x80) return isTrue;
    }
    throw new WireError(`a varint of more than ten bytes, at byte ${this.at}`);
  }

  /** @throws WireError */
  double(): number {
    const start = this.advance(8);
    return this.buffer.readDoubleLE(start);
  }

  /** @returns where what has its length before it ends; it begins at {@link at}. @throws WireError */
  delimited(): number {
    const end = this.varint() + this.at;
    if (end > this.end) throw this.tooShort();
    return end;
  }

  /** @returns a view of the buffer. @throws WireError */
  bytes(): Buffer {
    const end = this.delimited();
    const start = this.at;
    this.at = end;
    return this.buffer.subarray(start, end);
  }

  /** @throws WireError, also where it is not UTF-8 */
  string(): string {
    const end = this.delimited();
    const start = this.at;
    this.at = end;
    const text = this.buffer.toString('utf8', start, end);
    // It stands for what is no UTF-8, and for itself.
    if (text.includes('\ufffd') && !isUtf8(this.buffer.subarray(start, end)))
      throw new WireError(`not UTF-8, at byte ${start}`);
    return text;
  }

  /** Begins what has its length before it: {@link end} is its end. @returns the end before, for {@link leave}. @throws WireError */
  enter(): number {
    const outer = this.end;
    this.end = this.delimited();
    return outer;
  }

  leave(outer: number): void {
    this.end = outer;
  }

  /** Goes past a field that is of no interest. @throws WireError */
  skip(tag: number, depth = 0): void {
    switch (tag & 7) {
      case wireTypes.varint:
        this.boolean();
        return;
      case wireTypes.fixed64:
        this.advance(8);
        return;
      case wireTypes.delimited:
        this.at = this.delimited();
        return;
      case wireTypes.fixed32:
        this.advance(4);
        return;
      case wireTypes.startGroup:
        if (depth === deepestGroup)
          throw new WireError(`groups lie too deep in each other, at byte ${this.at}`);
        for (let inner = this.tag(); inner !== tag + 1; inner = this.tag()) this.skip(inner, depth + 1);
        return;
      default:
        throw new WireError(`there is no wire type ${tag & 7} here, at byte ${this.at}`);
    }
  }

  private advance(length: number): number {
    const start = this.at;
    if (start + length > this.end) throw this.tooShort();
    this.at = start + length;
    return start;
  }

  private tooShort(): WireError {
    return new WireError(`something is cut off at byte ${this.end}`);
  }
}
