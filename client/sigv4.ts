import type { ClientRequest } from 'node:http';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Credentials } from './credentials.js';

/**
 * Signs the request of a WebSocket upgrade with AWS Signature Version 4 (service `kms`), in its headers.
 * `sec-websocket-key` is among the signed headers: it is random, which lets the daemon refuse a replay.
 */
export async function signUpgrade(
  request: ClientRequest,
  credentials: Credentials,
  region: string,
): Promise<void> {
  const signer = new SignatureV4({
    credentials,
    region,
    service: 'kms',
    sha256: Sha256,
    applyChecksum: false,
  });
  const header = (name: string) => String(request.getHeader(name));
  const host = header('host');
  const unsigned = {
    method: 'GET',
    protocol: 'https:',
    hostname: host,
    path: request.path,
    query: {},
    headers: { host, 'sec-websocket-key': header('sec-websocket-key') },
  };
  const signableHeaders = new Set(['sec-websocket-key']);
  const { headers } = await signer.sign(unsigned, { signableHeaders });
  for (const [name, value] of Object.entries(headers)) {
    if (name === 'authorization' || name.startsWith('x-amz-')) request.setHeader(name, value);
  }
}
