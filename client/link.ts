import { nextTick } from 'node:process';
import type { OpenSocket } from './socket.js';

export interface LinkHandlers {
  /** A binary frame came. */
  readonly onFrame: (link: Link, frame: Buffer) => void;
  /** Called once, when the connection ended or was given up. */
  readonly onDown: (link: Link, why: Error) => void;
}

const binary = { binary: true };
const closeGrace = 1_000;

/** One live WebSocket, from its opening to its end. */
export class Link {
  readonly #socket: OpenSocket;
  readonly #handlers: LinkHandlers;
  #corked = false;
  #down = false;

  constructor(socket: OpenSocket, handlers: LinkHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    const { webSocket } = socket;
    webSocket.on('error', (error) => {
      this.giveUp(error);
    });
    webSocket.on('message', (data, isBinary) => {
      if (isBinary) handlers.onFrame(this, data as Buffer);
      else this.giveUp(new Error('The daemon sent a text frame.'));
    });
    webSocket.on('close', () => {
      this.giveUp(new Error('The daemon closed the connection.'));
    });
  }

  /** Whether what is sent has a chance to arrive; not while it closes. */
  get usable(): boolean {
    return this.#socket.webSocket.readyState === this.#socket.webSocket.OPEN;
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

  /** Gives up a peer that shows no sign of life: over a dead network nothing else ends a connection. */
  probe(timeout: number): void {
    const { webSocket } = this.#socket;
    if (webSocket.listenerCount('pong') > 0) return;
    const timer = setTimeout(() => {
      this.giveUp(new Error('The daemon did not answer a ping.'));
    }, timeout).unref();
    webSocket.once('pong', () => {
      clearTimeout(timer);
    });
    webSocket.ping();
  }

  /** Ends the connection now. */
  giveUp(why: Error): void {
    if (this.#down) return;
    this.#down = true;
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
