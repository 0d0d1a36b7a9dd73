import type { Socket } from 'node:net';

/** FIN and the opcode of a binary frame, RFC 6455 section 5.2. */
const binary = 0x82;
/** Length bytes that say that the length follows in 16 or 64 bits. */
const [in16Bits, in64Bits] = [126, 127];

/**
 * Binary WebSocket frames to a client. Those of one tick leave as one buffer in one write; ws would put two entries for
 * each into the stream's queue, a header and a payload.
 */
export class Replies {
  #payloads: Uint8Array[] = [];
  #length = 0;

  /**
   * @param socket under the WebSocket; nothing else may be in the middle of a frame
   * @param isOpen whether frames may still be sent; no other may follow a close frame
   * @param onWritten payloads of so many bytes have left the process, or never will
   */
  constructor(
    private readonly socket: Socket,
    private readonly isOpen: () => boolean,
    private readonly onWritten: (length: number) => void,
  ) {}

  /** Bytes that leave at the end of the tick. */
  get waiting(): number {
    return this.#length;
  }

  /** Sends one message, at the end of the tick. @param payload is wiped */
  add(payload: Uint8Array): void {
    if (this.#payloads.length === 0) setImmediate(() => this.flush());
    this.#payloads.push(payload);
    this.#length += headerLength(payload.length) + payload.length;
  }

  /** Sends what was added, now. */
  flush(): void {
    const payloads = this.#payloads;
    if (payloads.length === 0) return;
    const frames = Buffer.allocUnsafe(this.#length);
    this.#payloads = [];
    this.#length = 0;
    let at = 0;
    let length = 0;
    for (const payload of payloads) {
      at = writeHeader(frames, at, payload.length);
      frames.set(payload, at);
      at += payload.length;
      length += payload.length;
      payload.fill(0);
    }
    if (!this.isOpen()) {
      frames.fill(0);
      this.onWritten(length);
      return;
    }
    this.socket.write(frames, () => {
      frames.fill(0);
      this.onWritten(length);
    });
  }
}

function headerLength(length: number): number {
  if (length < in16Bits) return 2;
  return length <= 0xffff ? 4 : 10;
}

/** A server's frames are not masked. @returns where the payload begins */
function writeHeader(frames: Buffer, at: number, length: number): number {
  frames[at] = binary;
  if (length < in16Bits) return frames.writeUInt8(length, at + 1);
  if (length <= 0xffff) {
    frames[at + 1] = in16Bits;
    return frames.writeUInt16BE(length, at + 2);
  }
  frames[at + 1] = in64Bits;
  return frames.writeBigUInt64BE(BigInt(length), at + 2);
}
