// A change is committed together with its audit event, and is done when the event is in the log.
import { exceptions } from '../../proto/errors.js';
import type { AuditLog } from '../audit/audit-log.js';
import type { RecordChange, Records } from '../store/records/records.js';
import { StoreError } from '../store/store.js';
import type { ServiceEvent } from '../audit/event.js';
import type { AuditOutbox } from './audit-outbox.js';

export interface Change {
  /** What to write, seen from the records as they are when its turn has come. Where it throws nothing is written. */
  readonly changes: () => readonly RecordChange[];
  /** Takes back what was done outside the store, where the changes did not come about. */
  readonly undo?: (() => Promise<void>) | undefined;
}

export class Recorder {
  constructor(
    private readonly records: Records,
    private readonly audit: AuditLog,
    private readonly owed: AuditOutbox,
  ) {}

  /** @throws KMSInternalException while the audit log cannot be written: nothing is done unrecorded */
  checkAvailable(): void {
    if (this.audit.available) return;
    throw new exceptions.KMSInternalException(
      'The audit log cannot be written, and nothing is done unrecorded: see the log of the daemon.',
    );
  }

  /** Writes an event into the log. @throws AuditError */
  append({ members }: ServiceEvent): Promise<void> {
    return this.audit.append(members);
  }

  /** @throws StoreError, AuditError, what the changes throw */
  async commit({ changes, undo }: Change, event: ServiceEvent): Promise<void> {
    try {
      await this.records.commit(() => [...changes(), ...this.owed.withEvent(event)]);
      this.owed.committed(event);
    } catch (error) {
      this.owed.uncommitted(event);
      // A batch that failed while it was written may yet be found written at the next start. Then its intent is gone
      // with it; else the next start undoes the intent. Undoing now could destroy the material of a committed key.
      const unwritten = !(error instanceof StoreError) || error.code === 'precondition-failed';
      if (unwritten) await undo?.();
      throw error;
    }
    try {
      await this.append(event);
    } catch (error) {
      this.owed.refused(event);
      throw error;
    }
    this.owed.settle(event);
  }
}
