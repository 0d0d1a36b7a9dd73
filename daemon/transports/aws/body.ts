import type { IncomingMessage } from 'node:http';
import { exceptions } from '../../../proto/errors.js';

/** A client is better told that its body is too large than cut off while it sends: so much more is read and dropped. */
const maxDropped = 4 * 1024 * 1024;

/** The bodies that are being read, all together in bounds. */
export class Bodies {
  #held = 0;

  /**
   * @param limit bytes of one body
   * @param total bytes of all bodies that are being read
   */
  constructor(
    private readonly limit: number,
    private readonly total: number,
  ) {}

  /**
   * Reads a request's body.
   * @returns undefined where the client went away
   * @throws RequestEntityTooLargeException, ThrottlingException; then the connection is not to be used again
   */
  read(request: IncomingMessage): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let length = 0;
      let held = 0;
      let settled = false;
      // Once: a promise that is settled again goes a long way through the runtime to say so.
      const finish = (settle: () => void) => {
        if (settled) return;
        settled = true;
        this.#held -= held;
        held = 0;
        settle();
      };
      const refuse = () => {
        finish(() =>
          reject(
            length > this.limit
              ? new exceptions.RequestEntityTooLargeException(`A body has at most ${this.limit} bytes.`)
              : new exceptions.ThrottlingException('Too many requests are being read: try again.'),
          ),
        );
      };
      let dropping = false;
      const receive = (chunk: Buffer) => {
        length += chunk.length;
        dropping ||= length > this.limit || this.#held + chunk.length > this.total;
        if (!dropping) {
          chunks.push(chunk);
          held += chunk.length;
          this.#held += chunk.length;
        } else if (length > maxDropped) {
          request.off('data', receive);
          request.resume();
          refuse();
        }
      };
      request.on('data', receive);
      request.once('end', () => {
        if (dropping) refuse();
        else finish(() => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length)));
      });
      request.once('error', () => finish(() => resolve(undefined)));
      request.once('close', () => finish(() => resolve(undefined)));
    });
  }
}
