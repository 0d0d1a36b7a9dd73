// AWS SDK clients for a test daemon.
import { Agent } from 'node:https';
import { KMSClient } from '@aws-sdk/client-kms';
import { STSClient } from '@aws-sdk/client-sts';
import type { TestDaemon } from '../daemon.js';

interface Teardown {
  teardown(action: () => unknown): unknown;
}

export interface ClientOptions {
  readonly credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  readonly region?: string;
  readonly maxAttempts?: number;
  /** Milliseconds by which the client's clock is ahead. */
  readonly systemClockOffset?: number;
}

/** The AWS endpoint: `https://127.0.0.1:<port>`. */
export function endpointOf(daemon: TestDaemon): string {
  return daemon.wss.replace(/^wss:/, 'https:').replace(/\/$/, '');
}

export function clientConfig(daemon: TestDaemon, options: ClientOptions = {}) {
  return {
    endpoint: endpointOf(daemon),
    region: 'us-east-1',
    credentials: daemon.credentials,
    requestHandler: { httpsAgent: new Agent({ ca: daemon.ca, keepAlive: true }) },
    ...options,
  };
}

export function kmsClient(t: Teardown, daemon: TestDaemon, options: ClientOptions = {}): KMSClient {
  const client = new KMSClient(clientConfig(daemon, options));
  t.teardown(() => client.destroy());
  return client;
}

export function stsClient(t: Teardown, daemon: TestDaemon, options: ClientOptions = {}): STSClient {
  const client = new STSClient(clientConfig(daemon, options));
  t.teardown(() => client.destroy());
  return client;
}
