import type { Health } from '../../observability/health.js';
import { type Route, sendJson } from './router.js';

/** The newest durable audit record; told only where the caller is on this machine. */
export interface AuditHead {
  readonly sequence: number;
  readonly hash: string;
}

/**
 * Answers GET /healthz. Over TCP it says only whether the daemon is healthy: anybody can ask. Over the unix socket, whose
 * file mode keeps others out, it says why, and the head of the audit log.
 */
export function healthRoute(health: () => Health, head: () => AuditHead): Route {
  return {
    name: 'GET /healthz',
    takes: ({ method, url }) => method === 'GET' && url === '/healthz',
    answer: (request, response) => {
      const { healthy, ...details } = health();
      const local = request.socket.remoteAddress === undefined;
      const audit = { ...details.audit, ...head() };
      const body = local ? { healthy, ...details, audit } : { healthy };
      sendJson(request, response, healthy ? 200 : 503, body);
    },
  };
}

/** Whether a probe's question is answered with yes. */
export interface Probes {
  /** Whether a restart would help nothing. */
  readonly isLive: () => boolean;
  /** Whether requests are served and operations succeed. */
  readonly isReady: () => boolean;
}

/**
 * Answers GET /livez and GET /readyz, for whoever restarts the daemon or sends it requests. What is wrong only /healthz says,
 * over the unix socket.
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
