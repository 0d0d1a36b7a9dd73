// A change's audit event is committed in the same batch as the change. If the daemon dies before the event is in the log, the
// next start finds the event among the records and appends it.
import { z } from 'zod';
import type { AuditLog } from '../audit/audit-log.js';
import type { RecordChange, Records } from '../store/records/records.js';
import type { ServiceEvent } from '../audit/event.js';

const owedRecord = z.strictObject({
  /** Sequence of the newest durable audit record at the time of the change; the event's own is greater. */
  after: z.number().int().nonnegative(),
  members: z.string(),
});

/** Searches the audit log after a sequence for an event. @param after sequence of a record */
export type IsLogged = (eventId: string, after: number) => Promise<boolean>;

const prefix = 'owed-event/';

/** The events that are committed but perhaps not in the audit log yet. */
export class AuditOutbox {
  /** Keys of events that are in the log; the next batch removes them. */
  #settled: string[] = [];
  /** Keys that an uncommitted batch removes, by the ID of its event. */
  readonly #leaving = new Map<string, readonly string[]>();
  /** Keys of events that the log could not take. */
  #refused: string[] = [];

  constructor(
    private readonly records: Records,
    private readonly audit: AuditLog,
  ) {}

  /** Like {@link withEvent}, before the log is open: the next start searches the whole log for the event. */
  static before({ eventId, members }: ServiceEvent): RecordChange {
    return { key: prefix + eventId, value: JSON.stringify({ after: 0, members }) };
  }

  /** Returns the changes that store an event beside the change that it records, and remove the events that are in the log. */
  withEvent({ eventId, members }: ServiceEvent): RecordChange[] {
    const owed = { after: this.audit.head.sequence, members };
    const settled = this.#settled.map((key) => ({ key, value: undefined }));
    this.#leaving.set(eventId, this.#settled);
    this.#settled = [];
    return [...settled, { key: prefix + eventId, value: JSON.stringify(owed) }];
  }

  /** The batch of an event was committed. */
  committed({ eventId }: ServiceEvent): void {
    this.#leaving.delete(eventId);
  }

  /** The batch of an event was not committed, or that is unknown: another batch removes what it would have removed. */
  uncommitted({ eventId }: ServiceEvent): void {
    this.#settled.push(...(this.#leaving.get(eventId) ?? []));
    this.#leaving.delete(eventId);
  }

  /** An event is in the log. */
  settle({ eventId }: ServiceEvent): void {
    this.#settled.push(prefix + eventId);
  }

  /** The log could not take an event. It may still write it itself once it works again. */
  refused({ eventId }: ServiceEvent): void {
    this.#refused.push(prefix + eventId);
  }

  /**
   * Appends the events that are missing in the log after a crash, and removes the settled ones.
   * @returns the number of missing events
   * @throws StoreError, AuditError
   */
  async complete(isLogged: IsLogged): Promise<number> {
    const missing = await this.#complete([...this.records.keys(prefix)], isLogged);
    await this.flush();
    return missing;
  }

  /** Appends the refused events once the log works again, instead of leaving them to the next start. */
  async completeRefused(isLogged: IsLogged): Promise<void> {
    const refused = this.#refused;
    this.#refused = [];
    try {
      await this.#complete(refused, isLogged);
    } catch {
      // The log failed again, and will report when it works again.
      this.#refused.push(...refused.filter((key) => !this.#settled.includes(key)));
    }
  }

  async #complete(keys: readonly string[], isLogged: IsLogged): Promise<number> {
    let missing = 0;
    for (const key of keys) {
      const { after, members } = owedRecord.parse(JSON.parse(this.records.get(key) ?? ''));
      if (!(await isLogged(key.slice(prefix.length), after))) {
        await this.audit.append(members);
        missing += 1;
      }
      this.#settled.push(key);
    }
    return missing;
  }

  /** Removes the settled events, at a clean stop. @throws StoreError */
  async flush(): Promise<void> {
    const settled = this.#settled;
    this.#settled = [];
    if (settled.length === 0) return;
    try {
      await this.records.commit(settled.map((key) => ({ key, value: undefined })));
    } catch (error) {
      this.#settled.push(...settled);
      throw error;
    }
  }
}
