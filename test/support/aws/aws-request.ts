// Requests of the AWS endpoint signed by hand, so that tests can sign them wrongly.
import { createHash } from 'node:crypto';
import { type ClientRequest, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import {
  canonicalRequest,
  sign,
  signingKey,
  stringToSign,
} from '../../../daemon/identity/signatures/sigv4.js';
import { endpointOf } from './aws.js';
import type { TestDaemon } from '../daemon.js';

export interface RequestOptions {
  /** The operation, such as `ListKeys`. */
  readonly operation?: string;
  readonly body?: string | Buffer;
  readonly method?: string;
  /** Path and query. */
  readonly path?: string;
  /** Headers to add or replace; undefined: left out. Signed if they are among `signedHeaders`. */
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  readonly signedHeaders?: readonly string[];
  /** Changes the signed request before it is sent. */
  readonly tamper?: (headers: Record<string, string | string[] | undefined>) => void;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly region?: string;
  readonly service?: string;
  /** Milliseconds by which the signer's clock is ahead. */
  readonly skew?: number;
  /** Sends Date instead of X-Amz-Date. */
  readonly dateHeader?: 'rfc1123' | 'iso8601';
  /** The hash that is signed. Default: the body's. */
  readonly payloadHash?: string;
  /** Default: the TLS port. */
  readonly over?: 'unix' | 'tls' | URL;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The error code, if the reply is an error. */
  readonly __type?: string;
  readonly message?: string;
  readonly body?: unknown;
}

/** The headers of a signed request. */
export function signedHeadersOf(
  daemon: TestDaemon,
  options: RequestOptions = {},
): Record<string, string | string[] | undefined> {
  const { accessKeyId, secretAccessKey } = { ...daemon.credentials, ...options };
  const { operation = 'ListKeys', body = '{}', region = 'us-east-1', service = 'kms' } = options;
  const now = new Date(Date.now() + (options.skew ?? 0));
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  const date = { rfc1123: now.toUTCString(), iso8601: time };
  const host = new URL(endpointOf(daemon)).host;
  const headers: Record<string, string | string[] | undefined> = {
    host,
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': `TrentService.${operation}`,
    ...(options.dateHeader ? { date: date[options.dateHeader] } : { 'x-amz-date': time }),
    ...options.headers,
  };
  const present = Object.keys(headers).filter((name) => headers[name] !== undefined);
  const signedHeaders = options.signedHeaders ?? present.filter((name) => name !== 'expect').sort();
  const rawHeaders = present.flatMap((name) => [headers[name]].flat().flatMap((value) => [name, value!]));
  const payloadHash = options.payloadHash ?? createHash('sha256').update(body).digest('hex');
  const request = { method: options.method ?? 'POST', target: options.path ?? '/', rawHeaders, payloadHash };
  const scope = { accessKeyId, date: time.slice(0, 8), region, service, signedHeaders, signature: '' };
  const key = signingKey(Buffer.from(secretAccessKey), scope.date, region, service);
  const signature = sign(key, stringToSign(time, scope, canonicalRequest(request, signedHeaders)));
  const credential = `${accessKeyId}/${scope.date}/${region}/${service}/aws4_request`;
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature.toString('hex')}`;
  options.tamper?.(headers);
  return headers;
}

/** Sends a request and reads its reply. */
export function send(daemon: TestDaemon, options: RequestOptions = {}): Promise<Reply> {
  const headers = signedHeadersOf(daemon, options);
  return new Promise((resolve, reject) => {
    const { method = 'POST', path = '/', body = '{}' } = options;
    const common = { method, path, headers: definedOf(headers), agent: false as const };
    const request = started(daemon, options.over ?? 'tls', common);
    request.on('response', (response) => {
      let text = '';
      response.on('data', (data: Buffer) => (text += data.toString()));
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, text, ...parsed(text) }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

function started(daemon: TestDaemon, over: 'unix' | 'tls' | URL, options: object): ClientRequest {
  if (over === 'unix') return httpRequest({ ...options, socketPath: join(daemon.home, 'keyhold.sock') });
  if (over === 'tls')
    return httpsRequest(endpointOf(daemon), { ...options, ca: daemon.ca, servername: 'localhost' });
  return httpRequest(over, options);
}

function definedOf(
  headers: Record<string, string | string[] | undefined>,
): Record<string, string | string[]> {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as Record<
    string,
    string | string[]
  >;
}

function parsed(text: string): Partial<Reply> {
  try {
    const body = JSON.parse(text) as { __type?: string; message?: string };
    return { body, __type: body.__type, message: body.message };
  } catch {
    return {};
  }
}
