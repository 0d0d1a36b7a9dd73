import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** What answers requests that are no WebSocket upgrade. */
export interface Routes {
  /** GET /healthz */
  readonly health: RequestListener;
  /** Every POST, since a signature covers any path, and a GET with an Action, as the query protocol allows. */
  readonly aws: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

/** Hands each request to who answers it. */
export function router({ health, aws }: Routes): RequestListener {
  return (request, response) => {
    // A client that goes away while it is answered is no fault of the daemon.
    response.on('error', () => undefined);
    const isAction = request.method === 'GET' && /[?&]Action=/.test(request.url ?? '');
    if (request.method === 'POST' || isAction) void aws(request, response);
    else health(request, response);
  };
}
