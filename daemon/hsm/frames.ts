// The frames of jobs and of results between the pool and a worker.
import type { HsmErrorCode } from './key-store.js';

/** The status byte of a result is 0 for success, else 1 + the index in this list; its only part is then the message. */
export const errorCodes: readonly HsmErrorCode[] = [
  'invalid-ciphertext',
  'plaintext-too-long',
  'no-such-object',
  'unsupported',
  'token-full',
  'unavailable',
  'disconnected',
  'no-token',
  'no-user-pin',
  'timeout',
  'overloaded',
  'login-refused',
  'pin-locked',
  'internal',
  'incorrect-key-material',
  'no-session',
  'read-only',
];

/**
 * Status byte of a worker's last result: the worker lost its session, did not do the job and exits. The only part is the
 * message.
 */
export const sessionLostStatus = 255;

/** Maximum length of a frame in bytes. The longest one in practice lists the objects of a token, about 100 bytes each. */
export const maxFrameLength = 64 * 1024 * 1024;

const messageHeader = 10;

/** The channel carried bytes that {@link FrameWriter} does not produce. */
export class ChannelError extends Error {}

/**
 * Assembles messages into a frame: u32 length of the rest, u32 count, then for each message u32 id, u32 microseconds,
 * u8 code, u8 number of parts, a u32 length for each part, the parts. All numbers are little-endian.
 */
export class FrameWriter {
  #buffer = Buffer.allocUnsafeSlow(64 * 1024);
  #end = 8;
  /** Number of messages in the frame so far. */
  count = 0;

  /**
   * Appends a message.
   * @param id number of the job, which its result repeats
   * @param code kind of a job or status of a result
   * @param microseconds how long the job took; 0 in a job
   * @param parts byte strings, which are copied
   */
  add(id: number, code: number, microseconds: number, parts: readonly Buffer[]): void {
    let size = messageHeader + 4 * parts.length;
    for (const part of parts) size += part.length;
    if (this.#end + size > this.#buffer.length) this.#grow(size);
    const buffer = this.#buffer;
    let at = this.#end;
    buffer.writeUInt32LE(id, at);
    buffer.writeUInt32LE(microseconds, at + 4);
    buffer[at + 8] = code;
    buffer[at + 9] = parts.length;
    at += messageHeader;
    for (const part of parts) at = buffer.writeUInt32LE(part.length, at);
    for (const part of parts) {
      buffer.set(part, at);
      at += part.length;
    }
    this.#end = at;
    this.count++;
  }

  /** @returns the frame: a view that is valid until the next {@link add}, which begins a new one; the caller wipes it */
  take(): Buffer {
    const frame = this.#buffer.subarray(0, this.#end);
    frame.writeUInt32LE(this.#end - 4, 0);
    frame.writeUInt32LE(this.count, 4);
    this.#end = 8;
    this.count = 0;
    return frame;
  }

  #grow(size: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#buffer.length, this.#end + size));
    larger.set(this.#buffer.subarray(0, this.#end));
    this.#buffer.fill(0, 0, this.#end);
    this.#buffer = larger;
  }
}

/** Splits the bytes of the channel into frames. */
export class FrameReader {
  #partial: Buffer | undefined;
  #filled = 0;

  /**
   * Takes the next bytes of the channel.
   * @param chunk bytes that were read; those that are copied out of it are wiped
   * @param each receives every complete frame without its length: a view of the chunk or of a separate buffer
   * @throws ChannelError on an impossible length
   */
  push(chunk: Buffer, each: (frame: Buffer) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partial === undefined && chunk.length - at >= 4) {
        const end = at + 4 + checkedSize(chunk.readUInt32LE(at));
        if (end <= chunk.length) {
          each(chunk.subarray(at + 4, end));
          at = end;
          continue;
        }
      }
      this.#partial ??= Buffer.alloc(4);
      const copied = chunk.copy(this.#partial, this.#filled, at);
      chunk.fill(0, at, at + copied);
      at += copied;
      this.#filled += copied;
      if (this.#filled === this.#partial.length) this.#completed(this.#partial, each);
    }
  }

  #completed(partial: Buffer, each: (frame: Buffer) => void): void {
    if (partial.length === 4) {
      this.#partial = Buffer.alloc(4 + checkedSize(partial.readUInt32LE(0)));
      return;
    }
    this.#partial = undefined;
    this.#filled = 0;
    each(partial.subarray(4));
  }
}

function checkedSize(size: number): number {
  if (size < 4 || size > maxFrameLength)
    throw new ChannelError(`The frame has ${size} bytes, not 4 to ${maxFrameLength}`);
  return size;
}

/** Number of messages in a frame. */
export function countMessages(frame: Buffer): number {
  return frame.readUInt32LE(0);
}

/**
 * Calls back for each message of a frame.
 * @param frame a frame without its length, as {@link FrameReader} passes it
 * @param each receives the message; its parts are views of the frame
 * @throws ChannelError on a malformed message, after the calls for those before it
 */
export function forEachMessage(
  frame: Buffer,
  each: (id: number, code: number, microseconds: number, parts: Buffer[]) => void,
): void {
  const count = countMessages(frame);
  let at = 4;
  for (let n = 0; n < count; n++) {
    if (at + messageHeader > frame.length) throw new ChannelError('A message is cut short');
    const header = at;
    const partCount = frame[at + 9] ?? 0;
    let length = at + messageHeader;
    at = length + 4 * partCount;
    if (at > frame.length) throw new ChannelError('A message is cut short');
    const parts = new Array<Buffer>(partCount);
    for (let part = 0; part < partCount; part++, length += 4) {
      const end = at + frame.readUInt32LE(length);
      if (end > frame.length) throw new ChannelError('A message is cut short');
      parts[part] = frame.subarray(at, end);
      at = end;
    }
    each(frame.readUInt32LE(header), frame[header + 8] ?? 0, frame.readUInt32LE(header + 4), parts);
  }
  if (at !== frame.length) throw new ChannelError('Bytes after the last message');
}
