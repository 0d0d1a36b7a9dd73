import { nextTick } from 'node:process';
import type { OpenSocket } from './socket.js';

/** What a link calls as things happen to it. */
export interface LinkHandlers {
  /** A binary frame arrived. */
  readonly onFrame: (link: Link, frame: Buffer) => void;
  /** The peer has answered a probe, which had made `usable` false. */
  readonly onProven: (link: Link) => void;
  /** Called once, when the connection has ended or is given up. */
  readonly onDown: (link: Link, why: Error) => void;
  /** Whether responses are due. */
  readonly isAwaited: () => boolean;
}

/**
 * When a connection is probed and given up. NATs and load balancers forget connections without notice to either end.
 */
export interface Liveness {
  /** Milliseconds between checks. A connection that is silent between two checks while responses are due is probed. */
  readonly interval: number;
  /** Checks after an unanswered probe until the connection is given up. */
  readonly patience: number;
  /** Silent checks after which an idle connection is probed. */
  readonly idle: number;
}

/** The daemon pings every 30 s; an idle connection is probed when one of these pings is missing. */
const longestSilence = 40_000;
/** The most milliseconds for an answer to a probe, however long a request may take. */
const longestPatience = 30_000;

/**
 * The liveness for a time-out: a dead connection is given up within half of it.
 * @param timeout milliseconds for a request with all its repetitions
 */
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
  /** With a message of its own. */
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
  /** Checks since the peer was last heard. */
  #silentLooks = 0;
  /** Checks since an unanswered probe; undefined without one. */
  #probedLooks: number | undefined;

  /** @param socket one that no other link has */
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

  /** Whether to send: the connection is open and no probe is unanswered. */
  get usable(): boolean {
    return this.isOpen && this.#probedLooks === undefined;
  }

  /** Whether neither end has begun to close the connection. */
  get isOpen(): boolean {
    return this.#socket.webSocket.readyState === this.#socket.webSocket.OPEN;
  }

  /** Whether the peer was silent for a while, and may be gone. */
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

  /** Pings the peer. The link is unusable until the peer is heard, and is given up if that takes too long. */
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

  // Checks are counted, not milliseconds, so that a pause of this process counts as one check.
  #look(): void {
    const { patience, idle } = this.#liveness;
    this.#silentLooks++;
    if (this.#probedLooks === undefined) {
      if (this.#silentLooks > (this.#handlers.isAwaited() ? 1 : idle)) this.probe();
    } else if (++this.#probedLooks > patience) {
      this.giveUp(new Error('The daemon did not answer a ping.'));
    }
  }

  /** Ends the connection now, without a closing handshake. @param why what `onDown` is given */
  giveUp(why: Error): void {
    if (this.#down) return;
    this.#down = true;
    clearInterval(this.#looks);
    this.#socket.webSocket.terminate();
    this.#handlers.onDown(this, why);
  }

  /** Closes the connection, with a closing handshake if the daemon takes part in it. */
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
