import { readFile } from 'node:fs/promises';
import { type Credentials, type CredentialsProvider, defaultCredentials } from './credentials.js';
import type { CacheLimits } from './data-keys/data-key-cache.js';
import { ConnectionError } from './errors.js';
import type { ClientListeners } from './events.js';

/** Options of `connect`. What is not given comes from the environment, as `. var/env` sets it. */
export interface ConnectOptions {
  /** `unix:/path/to/socket` or `wss://host:port/`; KEYHOLD_URL if not given. */
  readonly url?: string;
  /** An access key, or a function that returns one for each connection; found as AWS tools do if not given. */
  readonly credentials?: Credentials | CredentialsProvider;
  /** The Region to sign for; AWS_REGION if not given, else us-east-1. */
  readonly region?: string;
  /** Certificates to trust instead of the system's, PEM; the file that AWS_CA_BUNDLE names if not given. */
  readonly ca?: string | Buffer;
  /**
   * A client certificate with its chain, PEM; the file that KEYHOLD_CERTIFICATE names if not given. A connection with a
   * certificate is signed with an access key only if `credentials` are given too.
   */
  readonly certificate?: string | Buffer;
  /** The private key of the certificate, PEM; the file that KEYHOLD_CERTIFICATE_KEY names if not given. */
  readonly certificateKey?: string | Buffer;
  /** Milliseconds for a request with all its repetitions; 30,000 if not given. */
  readonly timeout?: number;
  /** Milliseconds for one attempt to connect; 5,000 if not given. */
  readonly connectTimeout?: number;
  /** The most times that a request is sent; 3 if not given. */
  readonly maxAttempts?: number;
  /** Unanswered requests at a time; others wait. 128 if not given. */
  readonly maxInFlight?: number;
  /** Lets `client.dataKeys` reuse data keys within these limits. No data key is reused if not given. */
  readonly dataKeyCache?: CacheLimits;
  /** Listeners of the client's events, which hear its first connection too: `{ disconnect: ({ error }) => … }`. */
  readonly on?: ClientListeners;
  /** Aborts connecting. It does not close the client later. */
  readonly signal?: AbortSignal;
}

/** Options of one request. */
export interface CallOptions {
  /** Ends the wait. The daemon may still execute the request. */
  readonly signal?: AbortSignal;
  /** Milliseconds for this request with all its repetitions. */
  readonly timeout?: number;
}

/** Where the daemon is: a unix socket, or a host that is reached by TLS. */
export type Endpoint = { readonly path: string } | { readonly url: string };

/** The options of a client, completed. */
export interface Settings {
  readonly endpoint: Endpoint;
  /** Absent where the certificate alone identifies the caller. */
  readonly credentials: CredentialsProvider | undefined;
  readonly region: string;
  readonly ca: string | Buffer | undefined;
  readonly certificate: string | Buffer | undefined;
  readonly certificateKey: string | Buffer | undefined;
  readonly timeout: number;
  readonly connectTimeout: number;
  readonly maxAttempts: number;
  readonly maxInFlight: number;
}

/**
 * Completes options from the environment and the defaults.
 * @param env the environment; that of this process if not given
 * @throws ConnectionError InvalidEndpoint for an address that is none, or a file that cannot be read
 */
export async function settings(options: ConnectOptions, env = process.env): Promise<Settings> {
  const endpoint = parseEndpoint(options.url ?? env.KEYHOLD_URL);
  // Unix sockets have no certificates.
  const files = 'url' in endpoint ? env : {};
  const certificate = options.certificate ?? (await readNamed('KEYHOLD_CERTIFICATE', files));
  const certificateKey = options.certificateKey ?? (await readNamed('KEYHOLD_CERTIFICATE_KEY', files));
  const { credentials = certificate ? undefined : () => defaultCredentials(env) } = options;
  return {
    endpoint,
    credentials:
      typeof credentials === 'function' ? credentials : credentials && (() => Promise.resolve(credentials)),
    region: options.region ?? (env.AWS_REGION || 'us-east-1'),
    ca: options.ca ?? (await readNamed('AWS_CA_BUNDLE', env)),
    certificate,
    certificateKey,
    timeout: options.timeout ?? 30_000,
    connectTimeout: options.connectTimeout ?? 5_000,
    maxAttempts: options.maxAttempts ?? 3,
    maxInFlight: options.maxInFlight ?? 128,
  };
}

function parseEndpoint(url: string | undefined): Endpoint {
  if (!url)
    throw new ConnectionError(
      'InvalidEndpoint',
      'No address of a daemon is given: set KEYHOLD_URL (. var/env does) or the option url.',
    );
  if (/^unix:\/./.test(url)) return { path: url.slice('unix:'.length) };
  if (URL.canParse(url) && new URL(url).protocol === 'wss:') return { url };
  throw new ConnectionError(
    'InvalidEndpoint',
    `'${url}' is not the address of a daemon; use unix:/path/to/socket or wss://host:port/.`,
  );
}

/** Reads the file that a variable names. */
async function readNamed(variable: string, env: NodeJS.ProcessEnv): Promise<Buffer | undefined> {
  const path = env[variable];
  if (!path) return undefined;
  return readFile(path).catch((cause: unknown) => {
    throw new ConnectionError('InvalidEndpoint', `${variable} names '${path}', which cannot be read.`, {
      cause,
    });
  });
}
