// Phase 6: the metrics, and the port on which monitoring reads them.
import type { Metrics } from '../../observability/metrics/metrics.js';
import { probeRoutes, type Probes } from '../../transports/http/health.js';
import { metricsRoute } from '../../transports/http/metrics.js';
import { router } from '../../transports/http/router.js';
import { MetricsListener } from '../../transports/listeners/metrics-listener.js';
import { addHsmMetrics } from '../metrics/hsm.js';
import { addRegionMetrics } from '../metrics/regions.js';
import { addRequestMetrics, type RequestParts } from '../metrics/requests.js';
import { addServiceMetrics, type ServiceParts } from '../metrics/service.js';
import { addStorageMetrics, type StorageParts } from '../metrics/storage.js';
import type { Keys } from './keys.js';
import type { Regions } from './regions.js';
import type { Settings } from './settings.js';

/** The parts that are measured. */
export interface MonitoredParts extends RequestParts, StorageParts, Omit<ServiceParts, 'profile'> {
  readonly stores: Keys['stores'];
  readonly regions: Regions;
}

/** Adds the metrics of all parts. They are read when somebody asks, and cost nothing until then. */
export function addMetrics(metrics: Metrics, { config }: Settings, parts: MonitoredParts): void {
  addServiceMetrics(metrics, { ...parts, profile: config.hsm.profile });
  addRequestMetrics(metrics, parts);
  addHsmMetrics(metrics, parts.stores);
  addStorageMetrics(metrics, parts);
  addRegionMetrics(metrics, parts.regions);
}

/** Makes the listener for monitoring, which does not listen yet. @returns undefined if the configuration has none */
export function makeMonitoring(
  { config, log }: Settings,
  metrics: Metrics,
  probes: Probes,
): MetricsListener | undefined {
  if (!config.metrics) return undefined;
  const onRequest = router({
    routes: [metricsRoute(metrics), ...probeRoutes(probes)],
    allowedOrigins: [],
    failed: (error) => log.error({ err: error }, 'metrics could not be read'),
  });
  return new MetricsListener(config.metrics, onRequest, log);
}
