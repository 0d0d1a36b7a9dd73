import type { ServerHttp2Session } from 'node:http2';
import { fitting, type Share, Shares } from '../../identity/shares.js';
import type { GatedConnection } from '../gate.js';

/** Divides the HTTP/2 streams, so that neither one principal nor unauthenticated clients can use all of them. */
export class StreamShares {
  readonly #shares: Shares;
  readonly #open = new Map<GatedConnection, Share>();
  /** Sessions with streams that were opened before authentication, the oldest first, with the number of such streams. */
  readonly #waiting = new Map<ServerHttp2Session, { readonly gated: GatedConnection; streams: number }>();
  readonly #mostWaiting: number;
  #unauthenticated = 0;

  /** @param total maximum streams of all sessions */
  constructor(total: number) {
    const reservedForRoot = Math.floor(total / 16);
    this.#shares = new Shares(fitting({ total, perPrincipal: total / 4, perSource: total, reservedForRoot }));
    this.#mostWaiting = Math.floor(total / 4);
  }

  /**
   * Counts a stream. If unauthenticated clients have too many, the oldest of their sessions is ended.
   * @returns a function that gives the stream back; undefined if it must be refused
   */
  take(session: ServerHttp2Session, gated: GatedConnection): (() => void) | undefined {
    const { holder } = gated;
    if (!holder) return this.#takeUnauthenticated(session, gated);
    let share = this.#open.get(gated);
    if (!share) {
      share = this.#shares.open(holder);
      this.#open.set(gated, share);
    }
    if (share.take(1) === undefined) return () => share.add(-1);
    return undefined;
  }

  /** Gives back all streams of a connection that has closed. */
  forget(session: ServerHttp2Session, gated: GatedConnection): void {
    this.#open.get(gated)?.retire();
    this.#open.delete(gated);
    this.#drop(session);
  }

  #takeUnauthenticated(session: ServerHttp2Session, gated: GatedConnection): (() => void) | undefined {
    while (this.#unauthenticated >= this.#mostWaiting) {
      const oldest = [...this.#waiting].find(([, { gated }]) => gated.holder === undefined)?.[0];
      if (!oldest || oldest === session) return undefined;
      this.#drop(oldest);
      oldest.destroy();
    }
    const waiting = this.#waiting.get(session) ?? { gated, streams: 0 };
    this.#waiting.set(session, waiting);
    waiting.streams += 1;
    this.#unauthenticated += 1;
    return () => {
      if (this.#waiting.get(session) !== waiting) return;
      waiting.streams -= 1;
      this.#unauthenticated -= 1;
      if (waiting.streams === 0) this.#waiting.delete(session);
    };
  }

  #drop(session: ServerHttp2Session): void {
    this.#unauthenticated -= this.#waiting.get(session)?.streams ?? 0;
    this.#waiting.delete(session);
  }
}
