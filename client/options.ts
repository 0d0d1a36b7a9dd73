import { readFile } from 'node:fs/promises';
import { type Credentials, type CredentialsProvider, defaultCredentials } from './credentials.js';
import type { CacheLimits } from './data-key-cache.js';
import { ConnectionError } from './errors.js';

export interface ConnectOptions {
  /** `unix:/path/to/socket` or `wss://host:port/`; KEYHOLD_URL if not given. */
  readonly url?: string;
  /** An access key, or a function that returns one for each connection; found as AWS tools do if not given. */
  readonly credentials?: Credentials | CredentialsProvider;
  /** AWS_REGION if not given, else us-east-1. */
  readonly region?: string;
  /** Certificates to trust instead of the system's, PEM; the file that AWS_CA_BUNDLE names if not given. */
  readonly ca?: string | Buffer;
  /**
   * A client certificate with its chain, and its private key, PEM; the files that KEYHOLD_CERTIFICATE and
   * KEYHOLD_CERTIFICATE_KEY name if not given. With one the connection needs no access key, and has one only where
   * `credentials` are given.
   */
  readonly certificate?: string | Buffer;
  readonly certificateKey?: string | Buffer;
  /** Milliseconds for a request with all its repetitions; 30,000 if not given. */
  readonly timeout?: number;
  /** Milliseconds for a connection to be made; 5,000 if not given. */
  readonly connectTimeout?: number;
  /** How often a request is sent at most; 3 if not given. */
  readonly maxAttempts?: number;
  /** Requests that are sent and unanswered at one time; others wait their turn. 128 if not given. */
  readonly maxInFlight?: number;
  /** Data keys that `client.dataKeys` uses again within these limits; none if not given. */
  readonly dataKeyCache?: CacheLimits;
  /** Gives up connecting. It does not end the client afterwards. */
  readonly signal?: AbortSignal;
}

/** Where the daemon is: a unix socket, or a host that is reached by TLS. */
export type Endpoint = { readonly path: string } | { readonly url: string };

export interface Settings {
  readonly endpoint: Endpoint;
  /** undefined: the certificate alone says who is calling. */
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

/** Options with what the environment and the defaults add. @throws ConnectionError InvalidEndpoint */
export async function settings(options: ConnectOptions, env = process.env): Promise<Settings> {
  const endpoint = parseEndpoint(options.url ?? env.KEYHOLD_URL);
  // A unix socket has no certificates.
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
    `'${url}' is no address of a daemon; use unix:/path/to/socket or wss://host:port/.`,
  );
}

/** The file that a variable names; Node itself reads NODE_EXTRA_CA_CERTS when it starts. */
async function readNamed(variable: string, env: NodeJS.ProcessEnv): Promise<Buffer | undefined> {
  const path = env[variable];
  if (!path) return undefined;
  return readFile(path).catch((cause: unknown) => {
    throw new ConnectionError('InvalidEndpoint', `${variable} names '${path}', which cannot be read.`, {
      cause,
    });
  });
}
