// Metrics of requests, admission, authentication and connections.
import type { FailedAuthentications } from '../../identity/failed-authentications.js';
import type { Metrics, Sample } from '../../observability/metrics/metrics.js';
import type { Admission } from '../../pipeline/admission/fair-queue.js';
import type { RequestEnds } from '../../pipeline/request-ends.js';
import type { Gate } from '../../transports/gate.js';

/** What these metrics read. */
export interface RequestParts {
  readonly ends: RequestEnds;
  readonly admission: Admission;
  readonly failures: FailedAuthentications;
  readonly gate: Gate;
}

/** Adds requests, admission, authentication and connections. */
export function addRequestMetrics(metrics: Metrics, { ends, admission, failures, gate }: RequestParts): void {
  metrics.counter(
    'keyhold_requests_total',
    'Requests by operation, error code ("none": success) and transport (native, aws)',
    () => requestsOf(ends),
  );
  metrics.histogram(
    'keyhold_request_duration_seconds',
    'Time from the decoded request to its durable audit record, by operation and transport',
    function* () {
      for (const { transport, operation, counts } of ends.counts())
        yield { labels: { operation, transport }, distribution: counts.durations };
    },
  );
  metrics.counter(
    'keyhold_refused_requests_total',
    'Requests that ended before an operation, by error code: malformed, of no operation, or too many in flight',
    () => tallied('error', ends.refusals.entries()),
  );
  metrics.gauge('keyhold_requests_executing', 'Requests that are being executed', () => [
    { value: admission.executing },
  ]);
  metrics.gauge('keyhold_requests_waiting', 'Requests that wait for their turn', () => [
    { value: admission.waiting },
  ]);
  metrics.counter(
    'keyhold_throttled_requests_total',
    'Requests that were refused to a principal, by reason: its quota a second, or its requests in flight',
    () => tallied('reason', admission.throttled.entries()),
  );
  metrics.counter(
    'keyhold_failed_authentications_total',
    'Failed authentications, by error code (ThrottlingException: refused unchecked after too many)',
    () => tallied('error', failures.total.entries()),
  );
  metrics.gauge('keyhold_connections', 'Open connections, by kind', () => [
    { labels: { kind: 'native' }, value: gate.authenticated('native') },
    { labels: { kind: 'http' }, value: gate.authenticated('http') },
    { labels: { kind: 'unauthenticated' }, value: gate.unauthenticated },
  ]);
  metrics.counter(
    'keyhold_accepted_connections_total',
    'Connections that were accepted, by listener (unix, tls, http)',
    () => tallied('listener', gate.accepted.entries()),
  );
  metrics.counter(
    'keyhold_displaced_connections_total',
    'Unauthenticated connections that were closed to make room for others',
    () => [{ value: gate.displaced }],
  );
}

function* requestsOf(ends: RequestEnds): Iterable<Sample> {
  for (const { transport, operation, counts } of ends.counts()) {
    let failed = 0;
    for (const [error, value] of counts.errors.entries()) {
      failed += value;
      yield { labels: { operation, transport, error }, value };
    }
    yield { labels: { operation, transport, error: 'none' }, value: counts.durations.count - failed };
  }
}

function* tallied(label: string, entries: Iterable<[string, number]>): Iterable<Sample> {
  for (const [name, value] of entries) yield { labels: { [label]: name }, value };
}
