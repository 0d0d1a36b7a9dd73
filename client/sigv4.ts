import type { ClientRequest } from 'node:http';
import aws4 from 'aws4';
import type { Credentials } from './credentials.js';

/**
 * Signs the request of a WebSocket upgrade with AWS Signature Version 4 (service `kms`), in its headers.
 * `sec-websocket-key` is among the signed headers: it is random, which lets the daemon refuse a replay.
 * @param request a GET without a body whose headers were not sent yet
 * @param credentials what to sign with
 * @param region the Region of the signature's scope, such as `us-east-1`
 */
export function signUpgrade(request: ClientRequest, credentials: Credentials, region: string): void {
  const header = (name: string) => String(request.getHeader(name));
  const { headers = {} } = aws4.sign(
    {
      method: 'GET',
      service: 'kms',
      region,
      path: request.path,
      headers: { Host: header('host'), 'Sec-WebSocket-Key': header('sec-websocket-key') },
    },
    credentials,
  );
  for (const [name, value] of Object.entries(headers))
    if (/^(authorization|x-amz-.*)$/i.test(name)) request.setHeader(name, String(value));
}
