// A change's audit event travels in the same batch as the change. If the daemon dies between the two, the next start
// finds the event among the records and completes the log from there.
import { z } from 'zod';
import type { AuditLog } from '../audit/audit-log.js';
import type { RecordChange, Records } from '../store/records.js';
import type { Event } from './audit-event.js';

const owedRecord = z.strictObject({
  /** Sequence of the newest durable audit record when the change was made: the event's own is greater. */
  after: z.number().int().nonnegative(),
  members: z.string(),
});

const prefix = 'owed-event/';

export class OwedEvents {
  /** Keys of events that are in the log now; the next batch removes them. */
  #settled: string[] = [];

  constructor(
    private readonly records: Records,
    private readonly audit: AuditLog,
  ) {}

  /** The changes that put an event beside the change that it tells of, and remove those that are in the log. */
  withEvent({ eventId, members }: Event): RecordChange[] {
    const owed = { after: this.audit.head.sequence, members };
    const settled = this.#settled.map((key) => ({ key, value: undefined }));
    this.#settled = [];
    return [...settled, { key: prefix + eventId, value: JSON.stringify(owed) }];
  }

  /** Says that an event is in the log. */
  settle({ eventId }: Event): void {
    this.#settled.push(prefix + eventId);
  }

  /**
   * Completes the log after a crash, and removes what was settled.
   * @param isLogged whether an event is in the audit log beyond a sequence
   * @returns how many events were missing from the log
   */
  async complete(isLogged: (eventId: string, after: number) => Promise<boolean>): Promise<number> {
    let missing = 0;
    for (const key of [...this.records.keys(prefix)]) {
      const { after, members } = owedRecord.parse(JSON.parse(this.records.get(key) ?? ''));
      if (!(await isLogged(key.slice(prefix.length), after))) {
        await this.audit.append(members);
        missing += 1;
      }
      this.#settled.push(key);
    }
    await this.flush();
    return missing;
  }

  /** Removes what was settled, at a clean stop. */
  async flush(): Promise<void> {
    const settled = this.#settled.map((key) => ({ key, value: undefined }));
    this.#settled = [];
    if (settled.length > 0) await this.records.commit(settled);
  }
}
