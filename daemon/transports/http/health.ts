import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Health } from '../../observability/health.js';

/** The newest durable audit record; told only where the caller is on this machine. */
export interface AuditHead {
  readonly sequence: number;
  readonly hash: string;
}

/**
 * Answers GET /healthz, and 404 to everything else. Over TCP it says only whether the daemon is healthy: anybody can
 * ask. Over the unix socket, whose file mode keeps others out, it says why, and the head of the audit log.
 */
export function healthHandler(health: () => Health, head: () => AuditHead) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    request.resume();
    const isHealth = request.url === '/healthz' && request.method === 'GET';
    if (!isHealth) {
      send(response, 404, {
        __type: 'UnsupportedOperationException',
        message: 'There is GET /healthz, the WebSocket upgrade, and POST for clients of AWS.',
      });
      return;
    }
    const { healthy, ...details } = health();
    const local = request.socket.remoteAddress === undefined;
    const audit = { ...details.audit, ...head() };
    send(response, healthy ? 200 : 503, local ? { healthy, ...details, audit } : { healthy });
  };
}

function send(response: ServerResponse, status: number, body: object): void {
  const headers = { 'Content-Type': 'application/json', 'x-amzn-RequestId': randomUUID() };
  response.writeHead(status, headers).end(`${JSON.stringify(body)}\n`);
}
