// A connection over which a test sends arbitrary HTTP/2 frames.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TestDaemon } from '../daemon.js';
import { frameTypes } from './http2-frames.js';

export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** What the daemon sent. */
export interface Received {
  readonly frames: readonly ReceivedFrame[];
  /** Whether the daemon ended the connection. */
  readonly closed: boolean;
}

/** Opens a TLS connection that negotiates `h2`. @param port default: the daemon's */
export async function connectForFrames(
  daemon: TestDaemon,
  port = Number(new URL(daemon.wss).port),
): Promise<Socket> {
  const socket = connectTls({ host: '127.0.0.1', port, ca: daemon.ca, ALPNProtocols: ['h2'] });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

/**
 * Sends bytes.
 * @param quiet milliseconds without a byte after which the wait ends
 * @param enough ends the wait when it returns true
 * @returns what the daemon sends until it closes, or the wait ends
 */
export function exchangeFrames(
  socket: Socket,
  bytes: Uint8Array,
  quiet: number,
  enough: (frames: readonly ReceivedFrame[]) => boolean = () => false,
): Promise<Received> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let closed = true;
    const give = () => {
      closed = false;
      socket.destroy();
    };
    let timer = setTimeout(give, quiet);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      clearTimeout(timer);
      timer = setTimeout(give, enough(framesOf(Buffer.concat(chunks))) ? 0 : quiet);
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve({ frames: framesOf(Buffer.concat(chunks)), closed });
    });
    socket.write(bytes);
  });
}

/** The frames of a byte stream; an incomplete last frame is dropped. */
export function framesOf(bytes: Buffer): ReceivedFrame[] {
  const frames: ReceivedFrame[] = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    const payload = bytes.subarray(at + 9, at + 9 + length);
    frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, stream: bytes.readUInt32BE(at + 5), payload });
    at += 9 + length;
  }
  return frames;
}

/** The status at the beginning of a header block, if it is in HPACK's static table; 1 for a literal `:status`, otherwise 0. */
export function statusOf({ type, payload }: ReceivedFrame): number {
  if (type !== frameTypes.headers) return 0;
  // A size update of the dynamic table may come first: an integer with a 5-bit prefix.
  let at = 0;
  while ((payload[at]! & 0xe0) === 0x20) {
    if ((payload[at++]! & 0x1f) === 0x1f) while (payload[at++]! & 0x80);
  }
  const field = payload[at]!;
  const indexed = [200, 204, 206, 304, 400, 404, 500][field - 0x88];
  // A literal with the name of entry 8 (`:status`).
  return indexed ?? ((field & 0x0f) === 8 ? 1 : 0);
}
