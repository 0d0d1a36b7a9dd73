// Opens and signs one WebSocket to the daemon, and explains what went wrong.
import { connect as netConnect, type Socket } from 'node:net';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { ConnectionError } from '../errors.js';
import type { Endpoint, Settings } from '../options.js';
import { signUpgrade } from '../sigv4.js';

/** A WebSocket that the daemon has accepted. */
export interface OpenSocket {
  readonly webSocket: WebSocket;
  /** The stream below it, to send several frames in one write. */
  readonly stream: Socket;
}

const subprotocol = 'keyhold.v1';
// Larger than any response of the API. It limits how much memory a faulty peer can occupy.
const maxFrame = 4 * 1024 * 1024;
const maxRefusal = 65_536;

/**
 * Opens one connection.
 * @param signal aborts the attempt
 * @returns once the daemon has accepted the signature
 * @throws ConnectionError NotConnected, NotADaemon, InvalidEndpoint or NoCredentials; the ServiceError with which the
 *   daemon refused the upgrade; the signal's reason
 */
export function openSocket(settings: Settings, signal?: AbortSignal): Promise<OpenSocket> {
  const { endpoint, connectTimeout } = settings;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const webSocket = new WebSocket('url' in endpoint ? endpoint.url : 'ws://localhost/', subprotocol, {
      ...socketOptions(settings),
      finishRequest: (request) => {
        sign(request, settings)
          .then(() => request.end())
          .catch(fail);
      },
    });
    let stream: Socket | undefined;
    const timer = setTimeout(() => {
      fail(notConnected(endpoint, `it did not answer in ${connectTimeout} ms`));
    }, connectTimeout);
    const onAbort = () => {
      fail(signal?.reason as Error);
    };
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    function fail(error: Error): void {
      settle();
      reject(error);
      webSocket.terminate();
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    webSocket.on('upgrade', (response) => {
      stream = response.socket;
    });
    webSocket.on('error', (error) => {
      fail(failure(endpoint, error));
    });
    webSocket.on('unexpected-response', (_request, response) => {
      refusal(endpoint, response).then(fail).catch(fail);
    });
    webSocket.on('open', () => {
      settle();
      resolve({ webSocket, stream: stream! });
    });
  });
}

async function sign(request: ClientRequest, { credentials, region }: Settings): Promise<void> {
  if (credentials) signUpgrade(request, await credentials(), region);
}

function socketOptions({ endpoint, ca, certificate, certificateKey }: Settings) {
  const headers = { 'User-Agent': `keyhold-client node/${process.versions.node}` };
  const common = { perMessageDeflate: false, maxPayload: maxFrame, headers };
  if ('url' in endpoint)
    return { ...common, ca, cert: certificate, key: certificateKey, minVersion: 'TLSv1.3' as const };
  // Not ws+unix:, whose addresses cannot hold every path.
  const { path } = endpoint;
  return { ...common, createConnection: (() => netConnect({ path })) as typeof netConnect };
}

/** The address in its usual notation. */
export function endpointName(endpoint: Endpoint): string {
  return 'url' in endpoint ? endpoint.url : `unix:${endpoint.path}`;
}

/**
 * The error for an address where nothing answers.
 * @param why ends the clause `No daemon answers at … (`
 */
export function notConnected(endpoint: Endpoint, why: string, cause?: unknown): ConnectionError {
  const message = `No daemon answers at ${endpointName(endpoint)} (${why}); start it with ./scripts/start.`;
  return new ConnectionError('NotConnected', message, { cause });
}

/** System errors that end when the daemon starts or the network is back. */
const passing: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'it ended the connection',
  EPIPE: 'it ended the connection',
  ETIMEDOUT: 'it did not answer',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  EAI_AGAIN: 'the name cannot be resolved now',
  EAGAIN: 'its queue is full',
};

function failure(endpoint: Endpoint, error: NodeJS.ErrnoException): ConnectionError {
  const { code = '', message } = error;
  const name = endpointName(endpoint);
  const why = passing[code];
  if (why) return notConnected(endpoint, why, error);
  if (code === 'EACCES')
    return new ConnectionError(
      'InvalidEndpoint',
      `This user may not use ${name}; join the group of the socket.`,
      { cause: error },
    );
  if (code === 'ENOTFOUND' || code === 'ENOTSOCK' || code === 'ENOTDIR' || code === 'EINVAL')
    return new ConnectionError(
      'InvalidEndpoint',
      `There is no host or socket ${name} (${message}); check KEYHOLD_URL.`,
      { cause: error },
    );
  return new ConnectionError(
    'NotADaemon',
    `What answers at ${name} is not a Keyhold daemon that this client trusts: ${message}. Check KEYHOLD_URL, and the option ca or AWS_CA_BUNDLE.`,
    { cause: error },
  );
}

async function refusal(endpoint: Endpoint, response: IncomingMessage): Promise<Error> {
  const status = response.statusCode ?? 0;
  const { readRefusal } = await import('./refusal.js');
  const error = readRefusal(await bodyOf(response).catch(() => Buffer.alloc(0)));
  if (error) return error;
  // A proxy answers 502 to 504 for a daemon that is away.
  if (status >= 502 && status <= 504) return notConnected(endpoint, `HTTP status ${status}`);
  return failure(endpoint, new Error(`it refused the connection with HTTP status ${status}`));
}

/** The body of a response, as far as it is read. */
async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > maxRefusal) break;
    parts.push(part);
  }
  return Buffer.concat(parts);
}
