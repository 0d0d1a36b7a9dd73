// WebSocket upgrades signed by hand, so that tests can sign them wrongly.
import { createHash } from 'node:crypto';
import { WebSocket } from 'ws';
import {
  canonicalRequest,
  sign,
  signingKey,
  stringToSign,
} from '../../../daemon/identity/signatures/sigv4.js';
import { decodeResponse, type DecodedResponse } from '../../../proto/codec/frames.js';
import type { TestDaemon } from '../daemon.js';

export interface UpgradeOptions {
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** Headers that are sent and signed. */
  readonly sessionToken?: string;
  /** Milliseconds by which the signer's clock is ahead. */
  readonly skew?: number;
  readonly region?: string;
  readonly service?: string;
  readonly signedHeaders?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly subprotocol?: string;
  /** Headers of an earlier upgrade, sent again unchanged. */
  readonly replay?: Readonly<Record<string, string>>;
}

export interface Refusal {
  readonly status: number;
  readonly __type: string;
  readonly message: string;
}

export interface Upgraded {
  readonly webSocket: WebSocket;
  /** The signed headers, for a replay. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Opens a connection. Rejects with a {@link Refusal} if the daemon refuses it. */
export function upgrade(
  daemon: TestDaemon,
  options: UpgradeOptions = {},
  url = `ws+${daemon.url}:/`,
): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    let sent: Record<string, string> = {};
    const webSocket = new WebSocket(url, options.subprotocol ?? 'keyhold.v1', {
      perMessageDeflate: false,
      ca: daemon.ca,
      finishRequest: (request) => {
        sent = options.replay ? { ...options.replay } : signed(request.getHeaders(), daemon, options);
        for (const [name, value] of Object.entries({ ...sent, ...options.headers }))
          request.setHeader(name, value);
        request.end();
      },
    });
    webSocket.on('open', () => resolve({ webSocket, headers: sent }));
    webSocket.on('error', reject);
    webSocket.on('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (data: Buffer) => (body += data.toString()));
      response.on('end', () => {
        const refusal = JSON.parse(body) as object;
        reject(Object.assign(new Error(body), { status: response.statusCode }, refusal));
      });
    });
  });
}

function signed(
  sending: NodeJS.Dict<unknown>,
  daemon: TestDaemon,
  options: UpgradeOptions,
): Record<string, string> {
  const { accessKeyId, secretAccessKey } = { ...daemon.credentials, ...options };
  const time = new Date(Date.now() + (options.skew ?? 0)).toISOString().replace(/[-:]|\.\d+/g, '');
  const text = (name: string) => String(sending[name]);
  const headers: Record<string, string> = {
    host: text('host'),
    'x-amz-date': time,
    'sec-websocket-key': text('sec-websocket-key'),
  };
  if (options.sessionToken !== undefined) headers['x-amz-security-token'] = options.sessionToken;
  const signedHeaders = options.signedHeaders ?? Object.keys(headers).sort();
  const scope = {
    date: time.slice(0, 8),
    region: options.region ?? 'us-east-1',
    service: options.service ?? 'kms',
  };
  const payloadHash = createHash('sha256').digest('hex');
  const request = { method: 'GET', target: '/', rawHeaders: Object.entries(headers).flat(), payloadHash };
  const key = signingKey(Buffer.from(secretAccessKey), scope.date, scope.region, scope.service);
  const authorized = { ...scope, accessKeyId, signedHeaders, signature: '' };
  const signature = sign(
    key,
    stringToSign(time, authorized, canonicalRequest(request, signedHeaders)),
  ).toString('hex');
  const credential = `${accessKeyId}/${scope.date}/${scope.region}/${scope.service}/aws4_request`;
  const fields = `Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`;
  return { ...headers, authorization: `AWS4-HMAC-SHA256 ${fields}` };
}

/** The next frame of a connection. */
export function nextResponse(webSocket: WebSocket): Promise<DecodedResponse> {
  return new Promise((resolve, reject) => {
    webSocket.once('message', (data: Buffer) => resolve(decodeResponse(data)));
    webSocket.once('close', (code) => reject(new Error(`closed with ${code} before a frame came`)));
  });
}

/** The close code of a connection that the daemon ends. */
export function closeCode(webSocket: WebSocket): Promise<number> {
  return new Promise((resolve) => webSocket.once('close', resolve));
}
