// A receiver of webhooks: a real HTTPS server that answers as told, and verifies as docs/audit.md says.
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { checkout } from '../paths.js';
import type { Certificate } from './syslog-receiver.js';

type Verify = (secret: string, headers: IncomingHttpHeaders, body: Buffer) => boolean;

/** The example of docs/audit.md. @param folder where it is written to be imported */
export async function documentedVerify(folder: string): Promise<Verify> {
  const page = readFileSync(join(checkout, 'docs/audit.md'), 'utf8');
  const [, text = ''] = /^```js\n([^]*?)^```$/m.exec(page) ?? [];
  const file = join(folder, 'verify-webhook.mjs');
  writeFileSync(file, text);
  return ((await import(pathToFileURL(file).href)) as { verifyWebhook: Verify }).verifyWebhook;
}

/** What to do with a request whose body was read, in place of the answer 204. */
export type Answer = (response: ServerResponse, request: IncomingMessage) => void;

export class WebhookReceiver {
  /** Lines of the requests that were answered with 204, in order. */
  readonly lines: string[] = [];
  /** Headers and bodies of all requests. */
  readonly requests: {
    readonly headers: IncomingHttpHeaders;
    readonly body: Buffer;
    readonly path: string;
  }[] = [];
  /** Answers to the next requests, one each. */
  readonly answers: Answer[] = [];
  #server: Server | undefined;
  #port = 0;

  constructor(
    private readonly certificate: Certificate,
    private readonly options: ServerOptions = {},
  ) {}

  get port(): number {
    return this.#port;
  }

  /** Sequence numbers of {@link lines}, each once. */
  get sequences(): number[] {
    return [...new Set(this.lines.map((line) => (JSON.parse(line) as { sequence: number }).sequence))];
  }

  /** Listens, on the same port as before. */
  async start(): Promise<void> {
    const { certificate: cert, key } = this.certificate;
    this.#server = createServer({ cert, key, ...this.options }, (request, response) => {
      this.#take(request, response).catch(() => undefined);
    });
    await new Promise<void>((done) => this.#server!.listen(this.#port, '127.0.0.1', done));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise((done) => server.close(done));
    server.closeAllConnections();
    await closed;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    this.requests.push({ headers: request.headers, body, path: request.url ?? '' });
    const answer = this.answers.shift();
    if (answer) return answer(response, request);
    this.lines.push(...body.toString().split('\n').slice(0, -1));
    response.writeHead(204).end();
  }
}
