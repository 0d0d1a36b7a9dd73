// Sends records to a webhook: batches of lines by HTTPS, signed. A batch is confirmed by its answer, so records arrive at least
// once and in order; after a failure the same records come again, with the same sequence numbers.
import { once } from 'node:events';
import { Agent } from 'node:https';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { tlsSuites } from '../../tls/suites.js';
import type { Delivery, Session, SinkFiles } from './delivery.js';
import type { Position } from './position.js';
import { post } from './webhook-request.js';
import { parseSecrets, signedHeaders } from './webhook-signature.js';

/** The receiver of a webhook, and the size of its batches. */
export interface WebhookSettings extends SinkFiles {
  /** https, without credentials. Its path may be a secret, so it is never shown. */
  readonly url: string;
  /** As {@link parseSecrets} reads them. */
  readonly secretFile: Buffer;
  /** About how many bytes a batch may have; a longer record is a batch of its own. */
  readonly batchBytes: number;
  /** Milliseconds that a batch waits for further records. */
  readonly batchInterval: number;
  /** Milliseconds for a request and its answer. */
  readonly timeout: number;
}

/** Milliseconds for the TCP and TLS handshakes of a probe. */
const probeTimeout = 10_000;

interface Lines {
  readonly body: Buffer;
  readonly end: Position;
}

/** Delivers records to a webhook. */
export class WebhookDelivery implements Delivery {
  readonly #url: URL;
  readonly #keys: readonly Buffer[];
  readonly #agent: Agent;

  /** @throws SecretError */
  constructor(private readonly settings: WebhookSettings) {
    const { ca, certificate: cert, key } = settings;
    this.#url = new URL(settings.url);
    this.#keys = parseSecrets(settings.secretFile);
    // An agent of its own takes no proxy from the environment, whatever NODE_USE_ENV_PROXY says.
    this.#agent = new Agent({
      ...{ ca, cert, key, minVersion: 'TLSv1.2', ciphers: tlsSuites, rejectUnauthorized: true },
      ...{ keepAlive: true, maxSockets: 1 },
    });
  }

  async deliver(session: Session): Promise<void> {
    for (;;) {
      session.note('sending');
      const lines = await this.#collect(session);
      if (!lines) return;
      session.sent(lines.end.sequence);
      session.note('confirming');
      const seconds = Math.floor(Date.now() / 1000);
      const headers = signedHeaders(this.#keys, lines.body, seconds);
      const { timeout } = this.settings;
      await post(this.#agent, {
        url: this.#url,
        headers,
        body: lines.body,
        timeout,
        aborted: session.aborted,
      });
      await session.confirm(lines.end);
    }
  }

  /** Reads a batch, and waits a moment for more. @returns undefined if there is nothing to send */
  async #collect(session: Session): Promise<Lines | undefined> {
    const most = this.settings.batchBytes * session.share;
    const until = Date.now() + this.settings.batchInterval;
    const parts: Buffer[] = [];
    let end: Position | undefined;
    for (let length = 0; length < most;) {
      const batch = await session.next();
      if (batch) {
        // The lines are valid until the next read.
        const bytes = Buffer.concat(batch.records.flatMap(({ line }) => [line, lineFeed]));
        parts.push(bytes);
        length += bytes.length;
        end = batch.end;
        continue;
      }
      const patience = until - Date.now();
      if (!end || patience <= 0 || session.isStopping()) break;
      await session.wait(patience);
    }
    return end && { body: Buffer.concat(parts), end };
  }

  async probe(aborted: AbortSignal): Promise<void> {
    const { ca, certificate: cert, key } = this.settings;
    const { hostname, port } = this.#url;
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const socket = connect({
      ...{ host, port: Number(port || 443), servername: isIP(host) ? '' : host },
      ...{ ca, cert, key, minVersion: 'TLSv1.2', ciphers: tlsSuites, rejectUnauthorized: true },
    });
    const limit = setTimeout(() => socket.destroy(new Error('no connection')), probeTimeout);
    try {
      await once(socket, 'secureConnect', { signal: aborted });
    } finally {
      clearTimeout(limit);
      socket.destroy();
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}

const lineFeed = Buffer.from('\n');
