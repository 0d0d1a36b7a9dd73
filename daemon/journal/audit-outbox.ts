// A change's audit event travels in the same batch as the change. If the daemon dies between the two, the next start
// finds the event among the records and completes the log from there.
import { z } from 'zod';
import type { AuditLog } from '../audit/audit-log.js';
import type { RecordChange, Records } from '../store/records/records.js';
import type { ServiceEvent } from '../audit/event.js';

const owedRecord = z.strictObject({
  /** Sequence of the newest durable audit record when the change was made: the event's own is greater. */
  after: z.number().int().nonnegative(),
  members: z.string(),
});

/** Whether an event is in the audit log beyond a sequence. */
export type IsLogged = (eventId: string, after: number) => Promise<boolean>;

const prefix = 'owed-event/';

export class AuditOutbox {
  /** Keys of events that are in the log now; the next batch removes them. */
  #settled: string[] = [];
  /** Those that a batch removes which is not committed yet, by the id of its event. */
  readonly #leaving = new Map<string, readonly string[]>();
  /** Keys of events of which the log said that it could not take them. */
  #refused: string[] = [];

  constructor(
    private readonly records: Records,
    private readonly audit: AuditLog,
  ) {}

  /** As {@link withEvent}, where the log is not open yet: the next start looks for the event in the whole of it. */
  static before({ eventId, members }: ServiceEvent): RecordChange {
    return { key: prefix + eventId, value: JSON.stringify({ after: 0, members }) };
  }

  /** The changes that put an event beside the change that it tells of, and remove those that are in the log. */
  withEvent({ eventId, members }: ServiceEvent): RecordChange[] {
    const owed = { after: this.audit.head.sequence, members };
    const settled = this.#settled.map((key) => ({ key, value: undefined }));
    this.#leaving.set(eventId, this.#settled);
    this.#settled = [];
    return [...settled, { key: prefix + eventId, value: JSON.stringify(owed) }];
  }

  /** Says that the batch of an event was committed. */
  committed({ eventId }: ServiceEvent): void {
    this.#leaving.delete(eventId);
  }

  /** Says that the batch of an event was not committed, or that nobody knows: another one removes what it would have. */
  uncommitted({ eventId }: ServiceEvent): void {
    this.#settled.push(...(this.#leaving.get(eventId) ?? []));
    this.#leaving.delete(eventId);
  }

  /** Says that an event is in the log. */
  settle({ eventId }: ServiceEvent): void {
    this.#settled.push(prefix + eventId);
  }

  /** Says that the log could not take an event, or that it will write it itself when it is whole again. */
  refused({ eventId }: ServiceEvent): void {
    this.#refused.push(prefix + eventId);
  }

  /**
   * Completes the log after a crash, and removes what was settled.
   * @returns how many events were missing from the log
   */
  async complete(isLogged: IsLogged): Promise<number> {
    const missing = await this.#complete([...this.records.keys(prefix)], isLogged);
    await this.flush();
    return missing;
  }

  /** Completes the log when it is whole again after a failure: else those events would wait for the next start. */
  async completeRefused(isLogged: IsLogged): Promise<void> {
    const refused = this.#refused;
    this.#refused = [];
    try {
      await this.#complete(refused, isLogged);
    } catch {
      // The log has failed again, and will say again when it is whole.
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

  /** Removes what was settled, at a clean stop. */
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
