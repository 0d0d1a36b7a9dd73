import type { IncomingMessage } from 'node:http';
import { exceptions } from '../../../proto/errors.js';
import { type Lease, type RequestMemory, tooMuchMemory } from '../request-memory.js';

/** A client is better told that its body is too large than cut off while it sends: so much more is read and dropped. */
const maxDropped = 4 * 1024 * 1024;

/** Reads the bodies of requests, all together in bounds. */
export class Bodies {
  /** @param limit bytes of one body */
  constructor(
    private readonly limit: number,
    private readonly memory: RequestMemory,
  ) {}

  /**
   * Reads a request's body.
   * @param lease holds its bytes; it is not given back here
   * @returns undefined where the client went away
   * @throws RequestEntityTooLargeException, ThrottlingException; then the connection is not to be used again
   */
  read(request: IncomingMessage, lease: Lease): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let length = 0;
      let settled = false;
      // Once: a promise that is settled again goes a long way through the runtime to say so.
      const finish = (settle: () => void) => {
        if (settled) return;
        settled = true;
        lease.end = undefined;
        this.memory.read(lease);
        settle();
      };
      const drop = () => {
        chunks.length = 0;
        lease.drop();
      };
      const refuse = () => {
        finish(() =>
          reject(
            length > this.limit
              ? new exceptions.RequestEntityTooLargeException(`A body has at most ${this.limit} bytes.`)
              : tooMuchMemory(),
          ),
        );
      };
      const stop = () => {
        drop();
        request.off('data', receive);
        request.resume();
        refuse();
      };
      let dropping = false;
      const receive = (chunk: Buffer) => {
        length += chunk.length;
        if (!dropping && (length > this.limit || !lease.take(chunk.length))) {
          dropping = true;
          drop();
        }
        if (!dropping) chunks.push(chunk);
        else if (length > maxDropped) stop();
      };
      lease.end = stop;
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
