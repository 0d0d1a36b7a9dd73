import type { Socket } from 'node:net';

/** FIN and the opcode of a binary frame, RFC 6455 section 5.2. */
const binary = 0x82;
/** Values of the length byte that mean that the length follows in 16 or 64 bits. */
const [in16Bits, in64Bits] = [126, 127];

/**
 * Sends binary WebSocket frames to a client. The frames of one tick are one buffer and one write; ws would queue a header
 * and a payload for each.
 */
export class Replies {
  #payloads: Uint8Array[] = [];
  #length = 0;

  /**
   * @param socket the socket under the WebSocket; no other writer may be in the middle of a frame
   * @param isOpen whether frames may still be sent, which is not so after a close frame
   * @param onWritten called when payloads of that many bytes were written, or never will be
   */
  constructor(
    private readonly socket: Socket,
    private readonly isOpen: () => boolean,
    private readonly onWritten: (length: number) => void,
  ) {}

  /** Bytes that are sent at the end of the tick. */
  get waiting(): number {
    return this.#length;
  }

  /** Sends one message at the end of the tick. @param payload wiped afterwards */
  add(payload: Uint8Array): void {
    if (this.#payloads.length === 0) setImmediate(() => this.flush());
    this.#payloads.push(payload);
    this.#length += headerLength(payload.length) + payload.length;
  }

  /** Sends all added messages now. */
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

/** Writes the header of a frame; a server's frames are not masked. @returns the offset of the payload */
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
