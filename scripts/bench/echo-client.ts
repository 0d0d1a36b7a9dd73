import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Call } from './load.js';

/** A connection to the echo server: a call sends a frame and waits for one; replies come in order. */
export class EchoClient {
  readonly #waiting: ((value: unknown) => void)[] = [];

  private constructor(private readonly webSocket: WebSocket) {
    webSocket.on('message', () => this.#waiting.shift()?.(undefined));
  }

  static async connect(path: string): Promise<EchoClient> {
    const webSocket = new WebSocket(`ws+unix:${path}:/`, { perMessageDeflate: false });
    await once(webSocket, 'open');
    return new EchoClient(webSocket);
  }

  call(frame: Uint8Array): Call {
    return () =>
      new Promise((resolve) => {
        this.#waiting.push(resolve);
        this.webSocket.send(frame);
      });
  }

  close(): void {
    this.webSocket.close();
  }
}
