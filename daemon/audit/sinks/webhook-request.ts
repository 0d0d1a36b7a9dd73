// One POST over HTTPS. It follows no redirect, uses no proxy, and reads a bounded part of the answer.
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { type Agent, request } from 'node:https';

/** Bytes of an answer's body that are read, and dropped; then the connection is closed. */
const longestAnswer = 64 * 1024;
/** Milliseconds of a Retry-After that are believed. */
const longestRetryAfter = 5 * 60_000;

/** An answer other than 2xx. */
export class RefusedDelivery extends Error {
  /** @param retryAfter milliseconds after which the receiver wants another attempt */
  constructor(
    status: number,
    readonly retryAfter: number | undefined,
  ) {
    const hint =
      status >= 300 && status < 400 ? ': redirects are not followed, so give the URL that it leads to' : '';
    super(`the receiver answered ${status}${hint}`);
  }
}

/** What is posted. */
export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Milliseconds for the whole exchange. */
  readonly timeout: number;
  readonly aborted: AbortSignal;
}

/**
 * Sends a POST, and returns when the whole answer was read and its status is 2xx.
 * @throws RefusedDelivery for another status; Error of node:tls or node:http, which names the host but not the path
 */
export async function post(agent: Agent, message: Post): Promise<void> {
  for (let isFirst = true; ; isFirst = false) {
    const asked = send(agent, message);
    try {
      return await answered(asked, message.timeout);
    } catch (error) {
      // A connection that was kept open, and that the receiver closed at this moment.
      const isStale = asked.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      if (!isStale || !isFirst) throw error;
    }
  }
}

function send(agent: Agent, { url, headers, body, aborted }: Post): ClientRequest {
  const sent = {
    'Content-Type': 'application/x-ndjson',
    'Content-Length': body.length,
    'User-Agent': 'keyhold',
    ...headers,
  };
  return request(url, { agent, method: 'POST', headers: sent, signal: aborted }).end(body);
}

async function answered(asked: ClientRequest, timeout: number): Promise<void> {
  const late = new Error(`the receiver did not answer within ${timeout / 1000} s`);
  const limit = setTimeout(() => asked.destroy(late), timeout);
  asked.on('error', () => undefined);
  try {
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    const { statusCode = 0 } = response;
    let length = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      // Leaving the loop closes the connection.
      if (length > longestAnswer) break;
    }
    if (statusCode < 200 || statusCode > 299)
      throw new RefusedDelivery(statusCode, retryAfterOf(response.headers['retry-after']));
  } finally {
    clearTimeout(limit);
  }
}

/** Milliseconds of a Retry-After in seconds (RFC 9110, section 10.2.3); a date is not read. */
function retryAfterOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,6}$/.test(text)) return undefined;
  return Math.min(Number(text) * 1000, longestRetryAfter);
}
