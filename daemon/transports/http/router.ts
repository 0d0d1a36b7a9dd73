// Routes requests other than WebSocket upgrades: each goes to the first route that takes it.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { allowOrigin } from './cors.js';

/** Answers one kind of request. */
export interface Route {
  /** Listed in the error for requests that no route takes, such as `GET /healthz`. */
  readonly name: string;
  /** Whether this route answers the request. */
  takes(request: IncomingMessage): boolean;
  /** Answers the request. If it throws, the connection or stream is ended. */
  answer(request: IncomingMessage, response: ServerResponse): void | Promise<void>;
}

/** Whether a request came over the unix socket, which is protected by its file mode. */
export function isLocal(request: IncomingMessage): boolean {
  return request.socket.remoteAddress === undefined;
}

/** Options of the router. */
export interface RouterOptions {
  readonly routes: readonly Route[];
  /** Origins of web pages whose requests are allowed (CORS). */
  readonly allowedOrigins: readonly string[];
  /** Called when a request could not be answered; its connection or stream is ended. */
  readonly failed: (error: unknown) => void;
}

/** Hands each request to the route that answers it, or answers 404. */
export function router({ routes, allowedOrigins, failed }: RouterOptions): RequestListener {
  const notFound = notFoundRoute(routes);
  return (request, response) => {
    // A client that goes away during its answer is not an error of the daemon.
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

/** Answers a request, whose body is discarded, with JSON. @param body the members of the answer */
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

/** Turns an error that a route throws synchronously into a rejection. */
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
