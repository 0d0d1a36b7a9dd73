import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { allowOrigin } from './cors.js';

/** What answers requests that are no WebSocket upgrade. */
export interface Routes {
  /** GET /healthz */
  readonly health: RequestListener;
  /** Every POST, since a signature covers any path, and a GET with an Action, as the query protocol allows. */
  readonly aws: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

/**
 * Hands each request to who answers it.
 * @param origins of web pages that browsers may let in
 * @param failed hears of a request that could not be answered; its connection, or its stream, is ended
 */
export function router(
  { health, aws }: Routes,
  origins: readonly string[],
  failed: (error: unknown) => void,
): RequestListener {
  return (request, response) => {
    // A client that goes away while it is answered is no fault of the daemon.
    response.on('error', () => undefined);
    request.on('error', () => undefined);
    if (allowOrigin(origins, request, response)) return;
    const isAction = request.method === 'GET' && /[?&]Action=/.test(request.url ?? '');
    const end = (error: unknown) => {
      failed(error);
      response.destroy();
    };
    if (request.method === 'POST' || isAction) aws(request, response).catch(end);
    else {
      try {
        health(request, response);
      } catch (error) {
        end(error);
      }
    }
  };
}
