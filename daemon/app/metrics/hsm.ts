// Metrics of key stores: workers, queue, batches and calls.
import type { KeyStore } from '../../hsm/key-store.js';
import type { KeyStores } from '../../keys/index.js';
import type { Metrics, Sample } from '../../observability/metrics/metrics.js';

/** Adds the metrics of key stores. A store that is not connected has only its state. */
export function addHsmMetrics(metrics: Metrics, stores: KeyStores): void {
  const each = (read: (store: KeyStore) => number) => (): Sample[] =>
    stores.connected.map((store) => ({ labels: { store: store.name }, value: read(store) }));
  metrics.gauge('keyhold_key_store_up', 'Whether a key store is connected, by name', () =>
    Object.entries(stores.states).map(([store, state]) => ({
      labels: { store },
      value: state === 'connected' ? 1 : 0,
    })),
  );
  metrics.gauge(
    'keyhold_hsm_hanging',
    'Whether all workers of a key store hang in the HSM module',
    each(({ hangs }) => Number(hangs)),
  );
  metrics.gauge('keyhold_hsm_workers', 'Workers by state: wanted, ready (logged in), busy (with jobs)', () =>
    stores.connected.flatMap(({ name: store, workers }) =>
      Object.entries(workers).map(([state, value]) => ({ labels: { store, state }, value })),
    ),
  );
  metrics.counter(
    'keyhold_hsm_workers_lost_total',
    'Workers that crashed, were killed after a time-out, or lost their session; each is replaced',
    each(({ statistics }) => statistics.counts.workersLost),
  );
  metrics.gauge(
    'keyhold_hsm_login_latched',
    'Whether a refused PIN keeps workers from logging in, until an operator acts',
    each(({ statistics }) => Number(statistics.isLatched)),
  );
  metrics.gauge(
    'keyhold_hsm_queued_jobs',
    'Jobs that wait for a worker',
    each(({ statistics }) => statistics.queued),
  );
  metrics.histogram('keyhold_hsm_batch_jobs', 'Jobs that a worker is sent at once', () =>
    stores.connected.map(({ name, statistics }) => ({
      labels: { store: name },
      distribution: statistics.counts.batches,
    })),
  );
  metrics.histogram('keyhold_hsm_call_duration_seconds', 'Time of a job in the worker, by job', () =>
    callsOf(stores).map(({ store, name, durations }) => ({
      labels: { store, job: name },
      distribution: durations,
    })),
  );
  metrics.counter('keyhold_hsm_call_errors_total', 'Jobs that failed in the worker, by job and reason', () =>
    callsOf(stores).flatMap(({ store, name, errors }) =>
      [...errors.entries()].map(([error, value]) => ({ labels: { store, job: name, error }, value })),
    ),
  );
}

/** Statistics of the jobs that ran at least once. */
function callsOf(stores: KeyStores) {
  return stores.connected.flatMap(({ name: store, statistics }) =>
    statistics.counts.calls
      .filter(({ durations }) => durations.count > 0)
      .map(({ name, durations, errors }) => ({ store, name, durations, errors })),
  );
}
