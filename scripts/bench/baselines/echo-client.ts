import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { startChild } from '../child.js';
import { type Keyhold, probing, type Transport } from '../keyhold.js';
import type { Call } from '../load/load.js';

/** A bare WebSocket server to compare a Keyhold with: the same transport and the same certificate. */
export class EchoServer {
  private constructor(
    readonly child: ChildProcess,
    private readonly address: string,
    private readonly ca: Buffer | undefined,
  ) {}

  /** Starts a server for a Keyhold, with its socket and files in that Keyhold's home. */
  static async start({ home }: Keyhold, over: Transport): Promise<EchoServer> {
    const file = (name: string) => join(home, name);
    if (over === 'unix') {
      const path = file('echo.sock');
      return new EchoServer(
        (await startChild('baselines/echo', [path], process.env, probing)).child,
        `ws+unix:${path}:/`,
        undefined,
      );
    }
    const { child, said } = await startChild(
      'baselines/echo',
      [file('tls/server.pem'), file('tls/server.key')],
      process.env,
      probing,
    );
    return new EchoServer(child, `wss://127.0.0.1:${said as number}/`, readFileSync(file('tls/ca.pem')));
  }

  /** Opens a connection to the server. */
  connect(): Promise<EchoClient> {
    return EchoClient.connect(this.address, this.ca);
  }

  stop(): void {
    this.child.kill();
  }
}

/** A connection to the echo server. A call sends a frame and waits for its echo; echoes come in order. */
export class EchoClient {
  readonly #waiting: ((value: unknown) => void)[] = [];

  private constructor(private readonly webSocket: WebSocket) {
    webSocket.on('message', () => this.#waiting.shift()?.(undefined));
  }

  static async connect(address: string, ca: Buffer | undefined): Promise<EchoClient> {
    const webSocket = new WebSocket(address, { perMessageDeflate: false, ca });
    await once(webSocket, 'open');
    return new EchoClient(webSocket);
  }

  /** Returns a call that sends a frame and resolves with its echo. */
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
