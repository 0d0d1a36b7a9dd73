// The limit set by the group commit of the audit log: all requests in flight wait for the same fdatasync, so no more than
// that many can be answered in the time of one fdatasync.
import type { Keyhold } from '../keyhold.js';
import type { Row } from '../report/report.js';

/** Counts the daemon's fdatasyncs and the time spent in them. */
export class SyncMeter {
  operations = 0;
  syncs = 0;
  /** Milliseconds spent in fdatasyncs. */
  syncTime = 0;
  /** Milliseconds of measurement. */
  elapsed = 0;

  constructor(private readonly keyhold: Keyhold) {}

  /** Measures while some work runs. @param work resolves with operations per second @returns the result of the work */
  async during(work: () => Promise<number>): Promise<number> {
    const before = await this.keyhold.probe('counts');
    const begun = performance.now();
    const rate = await work();
    const elapsed = performance.now() - begun;
    const after = await this.keyhold.probe('counts');
    this.elapsed += elapsed;
    this.operations += (rate * elapsed) / 1_000;
    this.syncs += after.syncs - before.syncs;
    this.syncTime += after.syncTime - before.syncTime;
    return rate;
  }
}

/** Returns the figures of the group commit as rows. @param waiters number of requests in flight */
export function groupRows(name: string, meter: SyncMeter, waiters: number): Row[] {
  const row = (rowName: string, value: number, unit: Row['unit']): Row => {
    return { name: rowName, value, unit, ratio_to_raw: null };
  };
  const each = meter.syncTime / meter.syncs;
  return [
    row(`${name}-records-per-fdatasync`, meter.operations / meter.syncs, ''),
    row(`${name}-fdatasync-loaded-mean`, each * 1_000, 'us'),
    // Near 100 the disk is the bottleneck; otherwise something else is.
    row(`${name}-fdatasync-under-way`, (100 * meter.syncTime) / meter.elapsed, '%'),
    row(`${name}-group-commit-limit`, (waiters * 1_000) / each, 'op/s'),
  ];
}
