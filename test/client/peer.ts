import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Client, connect } from '../../client/index.js';
import type { ConnectOptions } from '../../client/options.js';
import { type DecodedRequest, decodeRequest, encodeError, encodeResponse } from '../../proto/codec/frames.js';
import type { ServiceError } from '../../proto/errors.js';

/** A request that the peer received, with functions that answer it. */
export interface Received extends DecodedRequest {
  readonly answer: (message?: Record<string, unknown>, requestId?: string) => void;
  readonly refuse: (error: ServiceError) => void;
  readonly webSocket: WebSocket;
}

/** Stands in for the daemon: a server on a real unix socket with the real codec. */
export class Peer {
  readonly path: string;
  /** Every upgrade request, refused ones included. */
  readonly upgrades: IncomingMessage[] = [];
  readonly received: Received[] = [];
  onRequest: (request: Received) => void = (request) => {
    request.answer();
  };
  onConnection: (webSocket: WebSocket, stream: Socket) => void = () => undefined;
  /** If set, upgrades get this answer instead. */
  refusal: { status: number; body: string } | undefined;
  readonly #http = createServer();
  readonly #webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'keyhold.v1' });
  readonly #streams = new Set<Socket>();
  #listening = false;

  constructor(path: string) {
    this.path = path;
    this.#http.on('connection', (stream) => {
      this.#streams.add(stream);
      // A client may close the connection while the refusal is still being written.
      stream.on('error', () => undefined);
      stream.on('close', () => this.#streams.delete(stream));
    });
    this.#http.on('upgrade', (request: IncomingMessage, stream: Socket, head: Buffer) => {
      this.upgrades.push(request);
      if (this.refusal) {
        const { status, body } = this.refusal;
        stream.end(`HTTP/1.1 ${status} No\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
        return;
      }
      // Corked: what onConnection sends arrives together with the end of the handshake.
      stream.cork();
      this.#webSockets.handleUpgrade(request, stream, head, (webSocket) => {
        this.#serve(webSocket);
        this.onConnection(webSocket, stream);
      });
      stream.uncork();
    });
  }

  get url(): string {
    return `unix:${this.path}`;
  }

  get connections(): number {
    return this.#streams.size;
  }

  async listen(): Promise<void> {
    this.#http.listen(this.path);
    await once(this.#http, 'listening');
    this.#listening = true;
  }

  /** Ends all connections without a close frame, as a crash does. */
  breakAll(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  async stop(): Promise<void> {
    if (!this.#listening) return;
    this.#listening = false;
    const closed = once(this.#http, 'close');
    this.#http.close();
    this.breakAll();
    await closed;
  }

  #serve(webSocket: WebSocket): void {
    webSocket.on('message', (data: Buffer) => {
      const decoded = decodeRequest(data);
      const { id, operation } = decoded;
      if (!operation) throw new Error('the client sent a request without an operation');
      const request = {
        ...decoded,
        webSocket,
        answer: (message = {}, requestId?: string) => {
          webSocket.send(encodeResponse(id, operation, message, requestId));
        },
        refuse: (error: ServiceError) => {
          webSocket.send(encodeError(id, error));
        },
      };
      this.received.push(request);
      this.onRequest(request);
    });
  }
}

export const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};

/** Starts a peer, which is closed when the test ends. */
export async function startPeer(t: Test): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-client-'));
  const peer = new Peer(join(folder, 'daemon:1.sock'));
  await peer.listen();
  t.teardown(async () => {
    await peer.stop();
    rmSync(folder, { recursive: true });
  });
  return peer;
}

/** Connects a client to the peer; it is closed when the test ends. */
export async function startClient(t: Test, peer: Peer, options: ConnectOptions = {}): Promise<Client> {
  const client = await connect({ url: peer.url, credentials, region: 'us-east-1', ...options });
  t.teardown(() => client.close());
  return client;
}

/** Waits until a condition is true; the test's own time-out limits the wait. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
