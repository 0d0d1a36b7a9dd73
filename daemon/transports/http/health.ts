import type { Health } from '../../observability/health.js';
import { isLocal, type Route, sendJson } from './router.js';

/**
 * Answers GET /healthz. Over TCP, where anyone can ask, it says only whether the daemon is healthy. Over the unix socket,
 * which is protected by its file mode, it also gives the details.
 */
export function healthRoute(health: () => Health): Route {
  return {
    name: 'GET /healthz',
    takes: ({ method, url }) => method === 'GET' && url === '/healthz',
    answer: (request, response) => {
      const { healthy, ...details } = health();
      const body = isLocal(request) ? { healthy, ...details } : { healthy };
      sendJson(request, response, healthy ? 200 : 503, body);
    },
  };
}

/** The answers to the probes. */
export interface Probes {
  /** False if a restart of the daemon would help. */
  readonly isLive: () => boolean;
  /** Whether requests are served and operations succeed. */
  readonly isReady: () => boolean;
}

/**
 * Answers GET /livez and GET /readyz, for orchestrators and load balancers. They give no details; only /healthz on the unix
 * socket does.
 */
export function probeRoutes({ isLive, isReady }: Probes): Route[] {
  return [probeRoute('/livez', 'live', isLive), probeRoute('/readyz', 'ready', isReady)];
}

function probeRoute(path: string, word: string, isSo: () => boolean): Route {
  return {
    name: `GET ${path}`,
    takes: ({ method, url }) => method === 'GET' && url === path,
    answer: (request, response) => {
      const answer = isSo();
      sendJson(request, response, answer ? 200 : 503, { [word]: answer });
    },
  };
}
