// Where the group commit of the audit log ends: all requests in flight wait for the same fdatasync, so no more than that
// many can be answered in the time that one takes.
import type { Keyhold } from '../keyhold.js';
import type { Row } from '../report/report.js';

/** Counts the fdatasyncs of the daemon, and the time in which one is under way. */
export class SyncMeter {
  operations = 0;
  syncs = 0;
  /** Milliseconds: of all fdatasyncs, and in which they were counted. */
  syncTime = 0;
  elapsed = 0;

  constructor(private readonly keyhold: Keyhold) {}

  /** @param work resolves with operations a second @returns what it does */
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

/** @param waiters requests in flight */
export function groupRows(name: string, meter: SyncMeter, waiters: number): Row[] {
  const row = (rowName: string, value: number, unit: Row['unit']): Row => {
    return { name: rowName, value, unit, ratio_to_raw: null };
  };
  const each = meter.syncTime / meter.syncs;
  return [
    row(`${name}-records-per-fdatasync`, meter.operations / meter.syncs, ''),
    row(`${name}-fdatasync-loaded-mean`, each * 1_000, 'us'),
    // Near 100 the disk is the limit; else something before it is.
    row(`${name}-fdatasync-under-way`, (100 * meter.syncTime) / meter.elapsed, '%'),
    row(`${name}-group-commit-limit`, (waiters * 1_000) / each, 'op/s'),
  ];
}
