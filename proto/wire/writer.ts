// The bytes of protobuf messages, put together (https://protobuf.dev/programming-guides/encoding/).

/** Bytes of the pieces of memory that messages are put into. */
const slabLength = 64 * 1024;
/** Bytes of the longest varint. */
const longestVarint = 10;
/** Most bytes of UTF-8 that one UTF-16 unit takes. */
const bytesPerUnit = 3;
/** Strings of more units are written by Buffer, which takes 130 ns to call and little for each unit. */
const shortString = 24;

/** Puts one message together after another. Messages of one writer share memory and none of their bytes. */
export class WireWriter {
  private slab = Buffer.allocUnsafeSlow(slabLength);
  /** Where the message begins, and where its next byte goes. */
  private start = 0;
  private at = 0;

  /** @param value 0 to 2^32 − 1 */
  varint(value: number): void {
    this.reserve(longestVarint);
    let rest = value;
    while (rest > 0x7f) {
      this.slab[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.slab[this.at++] = rest;
  }

  /** @param value −2^31 to 2^31 − 1; negative ones are extended to 64 bits, as the format wants it */
  int32(value: number): void {
    if (value >= 0) {
      this.varint(value);
      return;
    }
    this.reserve(longestVarint);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) this.slab[this.at++] = Number(rest & 0x7fn) | 0x80;
    this.slab[this.at++] = Number(rest);
  }

  double(value: number): void {
    this.reserve(8);
    this.at = this.slab.writeDoubleLE(value, this.at);
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.reserve(value.length);
    this.slab.set(value, this.at);
    this.at += value.length;
  }

  /** @param text well-formed Unicode */
  string(text: string): void {
    this.reserve(text.length * bytesPerUnit + longestVarint);
    const length = this.open();
    if (text.length > shortString || !this.ascii(text)) this.at += this.slab.write(text, this.at, 'utf8');
    this.close(length);
  }

  /** Begins what has its length before it. @returns its place in the message, for {@link close} */
  open(): number {
    this.reserve(1);
    return ++this.at - this.start;
  }

  /** Ends what {@link open} began, and writes its length. */
  close(place: number): void {
    const length = this.at - this.start - place;
    if (length > 0x7f) {
      // It takes more than the one byte that was left for it.
      let more = 1;
      for (let rest = length >>> 7; rest > 0x7f; rest >>>= 7) more++;
      this.reserve(more);
      const from = this.start + place;
      this.slab.copyWithin(from + more, from, this.at);
      this.at = from - 1;
      this.varint(length);
      this.at += length;
    } else this.slab[this.start + place - 1] = length;
  }

  /** Takes the message out, whose memory is the caller's to wipe. */
  take(): Buffer {
    const message = this.slab.subarray(this.start, this.at);
    this.start = this.at;
    return message;
  }

  /** Wipes what was written and not taken out. */
  clear(): void {
    this.slab.fill(0, this.start, this.at);
    this.at = this.start;
  }

  /** @returns whether all of it was ASCII; else nothing counts as written */
  private ascii(text: string): boolean {
    const { slab, at } = this;
    for (let unit = 0; unit < text.length; unit++) {
      const code = text.charCodeAt(unit);
      if (code > 0x7f) return false;
      slab[at + unit] = code;
    }
    this.at = at + text.length;
    return true;
  }

  private reserve(more: number): void {
    if (this.at + more <= this.slab.length) return;
    const length = this.at - this.start;
    const larger = Buffer.allocUnsafeSlow(Math.max(slabLength, 2 * (length + more)));
    this.slab.copy(larger, 0, this.start, this.at);
    this.clear();
    this.slab = larger;
    this.start = 0;
    this.at = length;
  }
}
