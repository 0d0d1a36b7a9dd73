// Commits a change together with its audit event. A change is complete when the event is in the log.
import { exceptions } from '../../proto/errors.js';
import type { AuditLog } from '../audit/audit-log.js';
import type { RecordChange, Records } from '../store/records/records.js';
import { StoreError } from '../store/store.js';
import type { ServiceEvent } from '../audit/event.js';
import type { AuditOutbox } from './audit-outbox.js';

/** A change of records, and how to undo what was done for it elsewhere. */
export interface Change {
  /** Called after all earlier commits; returns what to write. If it throws, nothing is written. */
  readonly changes: () => readonly RecordChange[];
  /** Undoes what was done outside the store, if the changes were not written. */
  readonly undo?: (() => Promise<void>) | undefined;
}

/** Commits changes and writes audit events. */
export class Recorder {
  constructor(
    private readonly records: Records,
    private readonly audit: AuditLog,
    private readonly owed: AuditOutbox,
  ) {}

  /** Checks that the audit log can be written. @throws KMSInternalException if not, because every operation must be recorded */
  checkAvailable(): void {
    if (this.audit.available) return;
    throw new exceptions.KMSInternalException(
      'The audit log cannot be written, so the operation was not carried out. See the log of the daemon.',
    );
  }

  /** Appends an event to the log. @throws AuditError */
  append({ members }: ServiceEvent): Promise<void> {
    return this.audit.append(members);
  }

  /**
   * Commits a change with its event, and appends the event to the log.
   * @throws StoreError, AuditError, or what {@link Change.changes} throws
   */
  async commit({ changes, undo }: Change, event: ServiceEvent): Promise<void> {
    try {
      await this.records.commit(() => [...changes(), ...this.owed.withEvent(event)]);
      this.owed.committed(event);
    } catch (error) {
      this.owed.uncommitted(event);
      // A batch whose write failed may still turn out to be written at the next start, and its intent to be removed. If not,
      // the next start undoes the intent. Undoing now could destroy the material of a committed key.
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
