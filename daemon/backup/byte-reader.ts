// Reads exact numbers of bytes from a stream of chunks, which is never in memory as a whole.

/** Reads from a stream of chunks. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes. @returns undefined at the end @throws RangeError if the stream ends within them */
  async exactly(length: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      const part = await this.upTo(missing);
      if (!part) break;
      parts.push(part);
      missing -= part.length;
    }
    if (missing === 0) return Buffer.concat(parts);
    if (parts.length === 0) return undefined;
    throw new RangeError('it ends too early');
  }

  /** Some of the next bytes, at least one. @returns undefined at the end */
  async upTo(length: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      this.#rest = next.value;
    }
    const part = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }
}

/** Reads a stream to its end. @returns how many bytes there were */
export async function drain(chunks: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const chunk of chunks) bytes += chunk.length;
  return bytes;
}
