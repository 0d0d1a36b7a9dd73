// Requests that are no WebSocket upgrade: each goes to the first route that takes it.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { allowOrigin } from './cors.js';

/** Answers a kind of request. */
export interface Route {
  /** As clients read it where nothing takes their request: `GET /healthz`. */
  readonly name: string;
  takes(request: IncomingMessage): boolean;
  answer(request: IncomingMessage, response: ServerResponse): void | Promise<void>;
}

/** What the router works with. */
export interface RouterOptions {
  readonly routes: readonly Route[];
  /** Origins of web pages that browsers let in. */
  readonly allowedOrigins: readonly string[];
  /** Hears of a request that could not be answered; its connection, or its stream, is ended. */
  readonly failed: (error: unknown) => void;
}

/** Hands each request to the route that answers it, or answers 404. */
export function router({ routes, allowedOrigins, failed }: RouterOptions): RequestListener {
  const notFound = notFoundRoute(routes);
  return (request, response) => {
    // A client that goes away while it is answered is no fault of the daemon.
    response.on('error', () => undefined);
    request.on('error', () => undefined);
    if (allowOrigin(allowedOrigins, request, response)) return;
    const route = routes.find((each) => each.takes(request)) ?? notFound;
    answerBy(route, request, response).catch((error: unknown) => {
      failed(error);
      response.destroy();
    });
  };
}

/** Answers in JSON, to a request whose body is not read. @param body its members */
export function sendJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: object,
): void {
  request.resume();
  const headers = { 'Content-Type': 'application/json', 'x-amzn-RequestId': randomUUID() };
  response.writeHead(status, headers).end(`${JSON.stringify(body)}\n`);
}

/** What a route throws at once is a rejection like all others. */
async function answerBy(route: Route, request: IncomingMessage, response: ServerResponse): Promise<void> {
  await route.answer(request, response);
}

function notFoundRoute(routes: readonly Route[]): Route {
  const names = routes.map(({ name }) => name).join(', ');
  const message = `There is ${names}, and the WebSocket upgrade.`;
  return {
    name: 'nothing',
    takes: () => true,
    answer: (request, response) =>
      sendJson(request, response, 404, { __type: 'UnsupportedOperationException', message }),
  };
}
