// GET /metrics, for Prometheus.
import type { Metrics } from '../../observability/metrics/metrics.js';
import { isLocal, type Route } from './router.js';

/** Milliseconds for which the text is cached, so that frequent requests cost little. */
const freshness = 500;

/** Answers GET /metrics. */
export function metricsRoute(metrics: Metrics): Route {
  let text: Promise<string> | undefined;
  let readAt = -Infinity;
  return {
    name: 'GET /metrics',
    takes: ({ method, url }) => method === 'GET' && url === '/metrics',
    answer: async (request, response) => {
      request.resume();
      const now = performance.now();
      if (!text || now - readAt > freshness) [text, readAt] = [metrics.text(), now];
      const body = await text;
      response.writeHead(200, { 'Content-Type': metrics.contentType }).end(body);
    },
  };
}

/** Answers GET /metrics on the unix socket alone, whose file mode says who may read it. */
export function localMetricsRoute(metrics: Metrics): Route {
  const route = metricsRoute(metrics);
  const name = `${route.name} on the unix socket`;
  return { ...route, name, takes: (request) => isLocal(request) && route.takes(request) };
}
