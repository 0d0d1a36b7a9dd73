import type { IncomingMessage } from 'node:http';
import { exceptions } from '../../../proto/errors.js';
import { type Lease, type RequestMemory, tooMuchMemory } from '../request-memory.js';

/** Bytes of a body that are read and dropped, so that a client that sends too much gets an error instead of a reset. */
const maxDropped = 4 * 1024 * 1024;

/** Reads the bodies of requests, and bounds the memory that they use together. */
export class Bodies {
  /** @param limit bytes of one body */
  constructor(
    private readonly limit: number,
    private readonly memory: RequestMemory,
  ) {}

  /**
   * Reads a request's body.
   * @param lease counts its bytes; the caller gives it back
   * @returns undefined if the client went away
   * @throws RequestEntityTooLargeException, ThrottlingException; the connection must not be used again after either
   */
  read(request: IncomingMessage, lease: Lease): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let length = 0;
      let settled = false;
      // Settled once only: settling a promise again is slow in Node.
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
