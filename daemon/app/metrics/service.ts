// Metrics of the service as a whole: what runs, whether it is healthy, and what becomes due.
import type { DueTimes } from '../../lifecycle/due-index.js';
import type { Scheduler } from '../../lifecycle/scheduler.js';
import type { Health } from '../../observability/health.js';
import type { UnhandledFailures } from '../../observability/last-resort.js';
import type { Metrics } from '../../observability/metrics/metrics.js';
import type { Listeners } from '../../transports/listeners/listeners.js';
import type { ExpiryWatch } from '../certificate-expiry.js';
import { version } from '../version.js';

/** What these metrics read. */
export interface ServiceParts {
  readonly profile: string;
  readonly health: () => Health;
  readonly isReady: () => boolean;
  readonly listeners: Listeners;
  readonly scheduler: Scheduler;
  readonly certificateExpiry: ExpiryWatch;
  readonly unhandled: UnhandledFailures;
}

/** Adds build, health, listeners and due dates. */
export function addServiceMetrics(metrics: Metrics, parts: ServiceParts): void {
  const { health, listeners, scheduler, certificateExpiry, unhandled } = parts;
  const build = { version, node: process.version, profile: parts.profile };
  metrics.gauge('keyhold_build_info', 'What runs; the value is 1', () => [{ labels: build, value: 1 }]);
  metrics.gauge('keyhold_ready', 'Whether requests are served and operations succeed', () => [
    { value: Number(parts.isReady()) },
  ]);
  metrics.gauge('keyhold_warnings', 'Sentences of the health report, faults included', () => [
    { value: health().warnings.length },
  ]);
  metrics.gauge('keyhold_listener_up', 'Whether a listener answers', () =>
    listeners.states.map(({ kind, problem }) => ({
      labels: { listener: kind },
      value: Number(problem === undefined),
    })),
  );
  const due: Readonly<Record<string, DueTimes>> = {
    deletion: scheduler.due.deletions,
    rotation: scheduler.due.rotations,
    material_expiry: scheduler.due.expiries,
  };
  metrics.gauge(
    'keyhold_due_keys',
    'Keys for which something is planned: deletion, rotation, material_expiry',
    () => Object.entries(due).map(([act, { count }]) => ({ labels: { act }, value: count })),
  );
  metrics.gauge('keyhold_due_first_timestamp_seconds', 'When the first of them is due', () =>
    Object.entries(due).flatMap(([act, { first }]) =>
      first === undefined ? [] : [{ labels: { act }, value: first }],
    ),
  );
  metrics.gauge(
    'keyhold_certificate_expiry_timestamp_seconds',
    'When a certificate or revocation list ends, by the setting that names it',
    () =>
      certificateExpiry.expiries.map(({ setting, notAfter }) => ({
        labels: { setting },
        value: notAfter / 1_000,
      })),
  );
  metrics.counter('keyhold_unhandled_failures_total', 'Internal failures that nothing handled', () => [
    { value: unhandled.count },
  ]);
}
