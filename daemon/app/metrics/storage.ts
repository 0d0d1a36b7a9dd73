// Metrics of the audit log with its sinks, and of the metadata store.
import type { FileAuditLog } from '../../audit/open.js';
import type { Sinks } from '../../audit/sinks/sinks.js';
import type { Metrics } from '../../observability/metrics/metrics.js';
import type { Records } from '../../store/records/records.js';
import type { MetadataStore } from '../../store/store.js';

/** What these metrics read. */
export interface StorageParts {
  readonly audit: FileAuditLog;
  readonly sinks: Sinks;
  readonly store: MetadataStore;
  readonly records: Records;
}

/** Kinds of records that are shown, and the prefixes of their keys. */
const kinds = {
  key: 'key/',
  alias: 'alias/',
  grant: 'grant/',
  principal: 'principal/',
  policy: 'policy/',
  access_key: 'access-key/',
  custom_key_store: 'custom-key-store/',
};

/** Adds audit log, sinks and store. */
export function addStorageMetrics(metrics: Metrics, { audit, sinks, store, records }: StorageParts): void {
  metrics.gauge(
    'keyhold_audit_available',
    'Whether the audit log can be written; requests are refused while it cannot',
    () => [{ value: Number(audit.available) }],
  );
  metrics.counter('keyhold_audit_records_total', 'Durable records of the audit log, since it began', () => [
    { value: audit.head.sequence },
  ]);
  metrics.gauge(
    'keyhold_audit_owed_records',
    'Records that wait for an audit log that can be written',
    () => [{ value: audit.owed }],
  );
  metrics.counter('keyhold_audit_failures_total', 'Writes of the audit log that failed', () => [
    { value: audit.failures },
  ]);
  metrics.histogram('keyhold_audit_group_records', 'Records that are made durable at once', () => [
    { distribution: audit.groups },
  ]);
  metrics.histogram('keyhold_audit_fdatasync_duration_seconds', 'Time of one fdatasync', () => [
    { distribution: audit.syncs },
  ]);
  metrics.gauge(
    'keyhold_audit_sink_backlog_records',
    'Records that the receiver of a sink has not confirmed',
    () =>
      Object.entries(sinks.status).map(([sink, { recordsBehind }]) => ({
        labels: { sink },
        value: recordsBehind,
      })),
  );
  metrics.gauge('keyhold_audit_sink_up', 'Whether the last delivery of a sink went well', () =>
    Object.entries(sinks.status).map(([sink, { lastError }]) => ({
      labels: { sink },
      value: Number(lastError === undefined),
    })),
  );
  metrics.gauge('keyhold_store_records', 'Records of the metadata store, by kind', () =>
    Object.entries(kinds).map(([kind, prefix]) => ({ labels: { kind }, value: records.count(prefix) })),
  );
  metrics.histogram('keyhold_store_write_duration_seconds', 'Time of one batch of changes', () => [
    { distribution: store.writes },
  ]);
  metrics.counter('keyhold_store_failures_total', 'Batches of changes that were not written', () => [
    { value: store.failures },
  ]);
}
