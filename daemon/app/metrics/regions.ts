// Metrics of the links to other Regions.
import type { Metrics } from '../../observability/metrics/metrics.js';
import type { Regions } from '../compose/regions.js';

/** Adds, for each linked Region, its connection and the keys that wait for it. */
export function addRegionMetrics(metrics: Metrics, { peers, services: { regions } }: Regions): void {
  const each = (read: (region: string) => number) => () =>
    peers.linked().map((region) => ({ labels: { region }, value: read(region) }));
  metrics.gauge(
    'keyhold_region_up',
    'Whether a linked Region can be asked',
    each((region) => Number(regions.connectionOf(region)?.state === 'CONNECTED')),
  );
  metrics.gauge(
    'keyhold_region_pending_keys',
    'Keys that wait for a linked Region',
    each((region) => regions.pendingKeys(region)),
  );
}
