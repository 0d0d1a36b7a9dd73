// Phase 5: the listeners, the native protocol and AWS's.
import type { Health } from '../../observability/health.js';
import { AwsEndpoint } from '../../transports/aws/endpoint.js';
import { Verdicts } from '../../transports/certified.js';
import { Gate, gateLimitsOf } from '../../transports/gate.js';
import type { Metrics } from '../../observability/metrics/metrics.js';
import { healthRoute, probeRoutes, type Probes } from '../../transports/http/health.js';
import { localMetricsRoute } from '../../transports/http/metrics.js';
import { router } from '../../transports/http/router.js';
import { type Addresses, Listeners } from '../../transports/listeners/listeners.js';
import { NativeServer } from '../../transports/native/server.js';
import { TrustedProxies } from '../../transports/proxies.js';
import { memoryLimitsOf, RequestMemory } from '../../transports/request-memory.js';
import type { Services } from './services.js';
import type { Settings } from './settings.js';
import type { Storage } from './storage.js';

/** The listeners and the servers behind them. */
export type Transports = ReturnType<typeof makeTransports>;

/** What this phase needs from the others. */
export interface TransportParts {
  readonly storage: Storage;
  readonly services: Services;
  readonly addresses: Addresses;
  /** Returns the current health of the daemon. */
  readonly health: () => Health;
  readonly probes: Probes;
  readonly metrics: Metrics;
}

/** Makes the listeners and the servers behind them; nothing listens yet. */
export function makeTransports(
  { config, limits, loaded, log }: Settings,
  { storage, services, addresses, health, probes, metrics }: TransportParts,
) {
  const { pipeline, authenticator, failures, noted } = services;
  const { region } = storage.instance;
  const { allowedOrigins } = config;
  const verdicts = new Verdicts();
  const proxies = new TrustedProxies(config.trustedProxies);
  const memory = new RequestMemory(memoryLimitsOf(limits));
  const gate = new Gate(gateLimitsOf(limits), memory, log);
  const deps = { pipeline, authenticator, failures, gate, memory, noted, log, verdicts, proxies };
  const native = new NativeServer(deps, { region, limits, allowedOrigins });
  const aws = new AwsEndpoint(deps, { region, limits });
  const onRequest = router({
    routes: [aws, healthRoute(health), ...probeRoutes(probes), localMetricsRoute(metrics)],
    allowedOrigins,
    failed: (error) =>
      log.error({ err: error }, 'a request could not be answered; its connection was closed'),
  });
  const listeners = new Listeners(addresses, loaded.tls, { native, onRequest, gate, log });
  return { listeners, native, aws, verdicts, gate };
}
