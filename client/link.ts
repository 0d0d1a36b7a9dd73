import { nextTick } from 'node:process';
import type { OpenSocket } from './socket.js';

export interface LinkHandlers {
  /** A binary frame came. */
  readonly onFrame: (link: Link, frame: Buffer) => void;
  /** The peer has shown that it is alive after `usable` was false for a probe. */
  readonly onProven: (link: Link) => void;
  /** Called once, when the connection ended or was given up. */
  readonly onDown: (link: Link, why: Error) => void;
  /** Whether requests that were sent have no reply yet. */
  readonly isAwaited: () => boolean;
}

/** When a connection is probed, and given up. NATs and load balancers forget connections without telling either end. */
export interface Liveness {
  /** Milliseconds between looks. A connection that is silent from one look to the next while replies are due is probed. */
  readonly interval: number;
  /** Looks after a probe by which something must have come, or the connection is given up. */
  readonly patience: number;
  /** Looks without a sign of life after which an idle connection is probed. */
  readonly idle: number;
}

/** The daemon pings every 30 s; an idle connection is probed when one of these pings is missing. */
const longestSilence = 40_000;
/** Milliseconds that a probe may stay unanswered at most, however long a request may take. */
const longestPatience = 30_000;

/** @param timeout milliseconds that a request has: a dead connection is given up within half of it */
export function livenessFor(timeout: number): Liveness {
  const interval = Math.min(Math.max(timeout / 30, 20), 1_000);
  return {
    interval,
    patience: Math.max(1, Math.ceil(Math.min(Math.max(1_000, timeout / 4), longestPatience) / interval)),
    idle: Math.ceil(longestSilence / interval),
  };
}

const binary = { binary: true };
/** RFC 6455, section 7.4.1. */
const goingAway = 1001;

/** The daemon closed the connection, after it had answered everything that it executed. */
export class GoneAway extends Error {
  constructor() {
    super('The daemon closed the connection.');
  }
}

const closeGrace = 1_000;

/** One live WebSocket, from its opening to its end. */
export class Link {
  readonly #socket: OpenSocket;
  readonly #handlers: LinkHandlers;
  readonly #liveness: Liveness;
  readonly #looks: NodeJS.Timeout;
  #corked = false;
  #down = false;
  /** Looks since the last sign of life. */
  #silentLooks = 0;
  /** Looks since the probe that is unanswered; undefined: there is none. */
  #probedLooks: number | undefined;

  constructor(socket: OpenSocket, handlers: LinkHandlers, liveness: Liveness) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#liveness = liveness;
    const { webSocket } = socket;
    // After the poll phase: what has arrived by now counts, however late this process got its turn.
    this.#looks = setInterval(() => setImmediate(() => this.#look()), liveness.interval).unref();
    webSocket.on('ping', () => this.#hear());
    webSocket.on('pong', () => this.#hear());
    webSocket.on('error', (error) => {
      this.giveUp(error);
    });
    webSocket.on('message', (data, isBinary) => {
      this.#hear();
      if (isBinary) handlers.onFrame(this, data as Buffer);
      else this.giveUp(new Error('The daemon sent a text frame.'));
    });
    webSocket.on('close', (code) => {
      this.giveUp(code === goingAway ? new GoneAway() : new Error('The daemon closed the connection.'));
    });
  }

  /** Whether what is sent has a chance to arrive; not while it closes, nor while a probe is unanswered. */
  get usable(): boolean {
    return this.isOpen && this.#probedLooks === undefined;
  }

  get isOpen(): boolean {
    return this.#socket.webSocket.readyState === this.#socket.webSocket.OPEN;
  }

  /** Whether nothing was heard from the peer for a while, so that it may be gone. */
  get isQuiet(): boolean {
    return this.#silentLooks > 1;
  }

  /** Sends a frame; those of one tick go out in one write. */
  send(frame: Uint8Array): void {
    const { stream, webSocket } = this.#socket;
    if (!this.#corked) {
      this.#corked = true;
      stream.cork();
      // nextTick runs after the promise jobs of the callers that the replies of one read have woken.
      nextTick(() => {
        this.#corked = false;
        stream.uncork();
      });
    }
    webSocket.send(frame, binary);
  }

  /** Pings the peer. The link is not usable until it shows a sign of life, and is given up if it shows none in time. */
  probe(): void {
    if (this.#probedLooks !== undefined || !this.isOpen) return;
    this.#probedLooks = 0;
    this.#socket.webSocket.ping();
  }

  #hear(): void {
    this.#silentLooks = 0;
    if (this.#probedLooks === undefined) return;
    this.#probedLooks = undefined;
    this.#handlers.onProven(this);
  }

  // Looks are counted, not milliseconds: after a pause of this process, one look is one look.
  #look(): void {
    const { patience, idle } = this.#liveness;
    this.#silentLooks++;
    if (this.#probedLooks === undefined) {
      if (this.#silentLooks > (this.#handlers.isAwaited() ? 1 : idle)) this.probe();
    } else if (++this.#probedLooks > patience) {
      this.giveUp(new Error('The daemon did not answer a ping.'));
    }
  }

  /** Ends the connection now. */
  giveUp(why: Error): void {
    if (this.#down) return;
    this.#down = true;
    clearInterval(this.#looks);
    this.#socket.webSocket.terminate();
    this.#handlers.onDown(this, why);
  }

  /** Ends the connection with a closing handshake, or without one if the daemon takes no part in it. */
  close(): Promise<void> {
    const { webSocket } = this.#socket;
    return new Promise((resolve) => {
      if (webSocket.readyState === webSocket.CLOSED) {
        resolve();
        return;
      }
      const timer = setTimeout(() => {
        webSocket.terminate();
      }, closeGrace);
      webSocket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      webSocket.close(1000);
    });
  }
}
