// Cross-origin requests of browsers ("Fetch", section 3.2): only the origins that the configuration lists are answered.
import type { IncomingMessage, ServerResponse } from 'node:http';

const methods = 'GET, POST';
const exposed = 'x-amzn-RequestId, x-amz-retry-after, Retry-After, Date';
/** Seconds for which a browser remembers the answer to a preflight. */
const maxAge = '600';

/**
 * Adds the CORS headers to a response, and answers preflight requests, which browsers cannot sign.
 * @returns whether the request is answered
 */
export function allowOrigin(
  origins: readonly string[],
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const { origin } = request.headers;
  if (origin === undefined || !origins.includes(origin)) return false;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Vary', 'Origin');
  response.setHeader('Access-Control-Expose-Headers', exposed);
  if (request.method !== 'OPTIONS' || !request.headers['access-control-request-method']) return false;
  const wanted = request.headers['access-control-request-headers'] ?? '';
  request.resume();
  response
    .writeHead(204, {
      'Access-Control-Allow-Methods': methods,
      // Any header name is allowed, since the signature covers the headers that matter. Only valid names are echoed.
      'Access-Control-Allow-Headers': /^[A-Za-z0-9-]+( *, *[A-Za-z0-9-]+)*$/.test(wanted)
        ? wanted
        : 'Authorization',
      'Access-Control-Max-Age': maxAge,
    })
    .end();
  return true;
}
