// Builds the lines of a group as bytes. Building one string and encoding it at the end takes seven times as long: V8 flattens
// such a string piece by piece, and strings of hundreds of lines are large objects.

/** Initial bytes of a buffer, and the size from which it is not reused. */
const [initial, largestKept] = [256 * 1024, 1024 * 1024];
/** Maximum number of bytes of a UTF-16 unit in UTF-8. */
const bytesPerUnit = 3;

/** Two alternating buffers of lines. */
export class LineBuffer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(initial);
  /** A returned buffer, for reuse. */
  #spare: Buffer | undefined = Buffer.allocUnsafeSlow(initial);
  #length = 0;

  /**
   * Appends a line.
   * @param parts the parts of the line, without the line feed
   * @returns the line in UTF-8 without the line feed; valid until the next call
   */
  add(...parts: readonly string[]): Buffer {
    const start = this.#length;
    for (const part of parts) this.#append(part);
    const line = this.#bytes.subarray(start, this.#length);
    this.#append('\n');
    return line;
  }

  /** Removes and returns all lines. The buffer must be given back, or dropped, before the next call. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = this.#spare ?? Buffer.allocUnsafeSlow(initial);
    this.#spare = undefined;
    this.#length = 0;
    return taken;
  }

  /** Lets a buffer that {@link take} returned be used again. */
  giveBack(taken: Buffer): void {
    const { buffer } = taken;
    if (buffer.byteLength <= largestKept) this.#spare = Buffer.from(buffer);
  }

  #append(text: string): void {
    const most = this.#length + text.length * bytesPerUnit;
    if (most > this.#bytes.length) this.#grow(most);
    this.#length += this.#bytes.write(text, this.#length);
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
