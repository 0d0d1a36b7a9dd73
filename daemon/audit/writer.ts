// Group commit: records are chained at once, and one write and one fdatasync make a group durable. A group consists of the
// records that arrived while the previous one was being written. A group that is small compared to the requests in flight
// waits a moment for more records, because each fdatasync takes CPU time from the HSM workers.
import { AuditError } from './audit-log.js';
import { type ChainHead, maxMembersLength, recordHash, recordPrefix } from './chain.js';
import { Distribution, sizeBounds } from '../observability/metrics/distribution.js';
import { LineBuffer } from './line-buffer.js';
import type { LogFile } from './log-file.js';

/** Events of the writer, for log and metrics. */
export type WriterEvent =
  /** A write or fdatasync failed; `owed` records are not durable. */
  | { readonly type: 'failed'; readonly owed: number; readonly error: unknown }
  /** The owed records are durable, and appends are accepted again. */
  | { readonly type: 'recovered'; readonly written: number };

/** Callbacks of the writer. */
export interface WriterObserver {
  observe(event: WriterEvent): void;
  /** Called after each group. */
  durable(head: ChainHead): void;
  /** Returns the number of requests in flight, including those whose records wait. */
  underWay(): number;
}

/** Fraction of the requests in flight that a group must reach to be written at once: one of 16, two of 32. */
const enough = 1 / 16;
/** Longest wait of a group, in milliseconds. */
const longestWait = 10;

/** Milliseconds between two checks of the file while nothing is appended. */
const checkInterval = 2_000;

/** Milliseconds before the first attempt to repair the log, doubled after each failure up to the maximum. */
const [firstDelay, lastDelay] = [100, 5000];

const noLines = Buffer.alloc(0);

/** Records that become durable together, and the promise that all their callers wait for. */
class Group {
  resolve!: () => void;
  reject!: (error: AuditError) => void;
  readonly durable = new Promise<void>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

/** Appends records to the log file. */
export class AuditWriter {
  /** Number of groups that were written. */
  commits = 0;

  /** Records of each group. */
  readonly groups = new Distribution(sizeBounds);
  /** Groups that could not be made durable at first. */
  failures = 0;

  /** The newest chained record, durable or not. */
  #sequence: number;
  #hash: string;
  /** Chained lines that wait for the next group. */
  readonly #lines = new LineBuffer();
  #gathering: Group | undefined;
  /** Timer of the group that waits for more records. */
  #waiting: NodeJS.Timeout | undefined;
  /** The group on its way to the disk. */
  #committing: Promise<void> | undefined;
  /** Chained lines that could not be made durable; while there are any, the log is not available. */
  #owed: Buffer | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #recovering: Promise<void> | undefined;
  #closed = false;
  /** Why the log is not available. */
  #reason: string | undefined;
  /** A check of the file; no append runs at the same time. */
  #checking: Promise<void> | undefined;
  readonly #checkTimer: NodeJS.Timeout;

  /** @param head the last record of the log */
  constructor(
    private readonly file: LogFile,
    public head: ChainHead,
    private readonly observer: WriterObserver,
  ) {
    this.#sequence = head.sequence;
    this.#hash = head.hash;
    // A failure shows in `available` and in the next append.
    this.#checkTimer = setInterval(() => {
      this.#check().catch(() => undefined);
    }, checkInterval).unref();
  }

  /** Start of the present call to the disk, by performance.now. */
  get busySince(): number | undefined {
    return this.file.busySince;
  }

  /** Why the log is not available, and what to do; undefined if it is available. */
  get fault(): string | undefined {
    return this.#owed === undefined ? undefined : this.#reason;
  }

  /** Seconds of each fdatasync. */
  get syncs(): Distribution {
    return this.file.syncs;
  }

  /** Whether records can be appended. */
  get available(): boolean {
    return this.#owed === undefined && !this.#closed;
  }

  /** Sequence number of the newest record, durable or not. */
  get lastSequence(): number {
    return this.#sequence;
  }

  /** Appends an event, see {@link AuditLog.append}. Records have the order of the calls. */
  append(members: string): Promise<void> {
    if (this.#owed !== undefined || this.#closed) return Promise.reject(this.#refusal());
    if (members.length > maxMembersLength || members.includes('\n')) {
      return Promise.reject(new AuditError('internal error: an audit event has a line feed or is too long'));
    }
    const line = this.#lines.add(recordPrefix(this.#sequence + 1, this.#hash), members, '}');
    this.#hash = recordHash(line);
    this.#sequence += 1;
    this.#gathering ??= this.#newGroup();
    if (this.#waiting && this.#isWorthACommit()) this.#endWait();
    return this.#gathering.durable;
  }

  /** Resolves when everything that was appended is durable or owed. */
  async settle(): Promise<void> {
    this.#commit();
    while (this.#committing) await this.#committing;
  }

  /**
   * Makes everything durable that was appended, and closes the file.
   * @throws AuditError if records are still owed, which are lost then
   */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    clearInterval(this.#checkTimer);
    await this.#checking?.catch(() => undefined);
    await this.settle();
    if (this.#owed) await (this.#recovering ?? this.#recover());
    clearTimeout(this.#retryTimer);
    await this.file.close();
    if (this.#owed)
      throw new AuditError(
        `${this.#sequence - this.head.sequence} audit records were lost: see the log of the daemon.`,
      );
  }

  #newGroup(): Group {
    // At the end of the tick, so that the results of a whole frame of a worker share the group.
    if (!this.#committing) setImmediate(() => this.#commitOrWait());
    return new Group();
  }

  #commitOrWait(): void {
    if (!this.#gathering || this.#committing || this.#waiting) return;
    if (this.#isWorthACommit()) this.#commit();
    else this.#waiting = setTimeout(() => this.#commit(), longestWait);
  }

  #isWorthACommit(): boolean {
    return this.#sequence - this.head.sequence >= this.observer.underWay() * enough;
  }

  /** Commits at the end of the tick. */
  #endWait(): void {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    setImmediate(() => this.#commitOrWait());
  }

  #commit(): void {
    const group = this.#gathering;
    if (!group || this.#committing) return;
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    const lines = this.#lines.take();
    const head = { sequence: this.#sequence, hash: this.#hash };
    this.#gathering = undefined;
    this.#committing = this.#write(lines).then(
      () => {
        this.#committing = undefined;
        this.commits += 1;
        this.groups.add(head.sequence - this.head.sequence);
        this.head = head;
        this.#lines.giveBack(lines);
        // The disk writes the next group while the replies of this one are sent.
        this.#commitOrWait();
        group.resolve();
        this.observer.durable(head);
      },
      (error: unknown) => this.#fail(group, lines, error),
    );
  }

  async #write(lines: Buffer): Promise<void> {
    if (this.#checking) await this.#checking;
    await this.file.append(lines);
  }

  /** Checks the file while nothing is appended, so that health shows a fault before a request is affected. */
  async #check(): Promise<void> {
    if (this.#committing || this.#owed || this.#checking || this.#recovering || this.#closed) return;
    this.#checking = this.file.check();
    try {
      await this.#checking;
    } catch (error) {
      // A group that waits for the check fails with it.
      if (!this.#committing) this.#fail(undefined, noLines, error);
    } finally {
      this.#checking = undefined;
    }
  }

  #fail(group: Group | undefined, lines: Buffer, error: unknown): void {
    this.#committing = undefined;
    this.failures += 1;
    // The waiting group is refused; its timer must not end the wait of the next one.
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    // These events have happened, so they are written as soon as possible. Their callers get an error, because no reply may
    // be sent before its record is durable.
    this.#owed = Buffer.concat([lines, this.#lines.take()]);
    // After a failed fdatasync the kernel marks the pages clean: another one on this descriptor would succeed without effect
    // (https://wiki.postgresql.org/wiki/Fsync_Errors).
    this.file.abandon();
    this.#reason = reasonOf(this.file.path, error);
    const refusal = new AuditError(this.#reason, { cause: error });
    group?.reject(refusal);
    this.#gathering?.reject(refusal);
    this.#gathering = undefined;
    this.observer.observe({ type: 'failed', owed: this.#sequence - this.head.sequence, error });
    if (!this.#closed) this.#retryIn(firstDelay);
  }

  #retryIn(delay: number): void {
    this.#retryTimer = setTimeout(() => {
      this.#recovering = this.#recover().then(() => {
        this.#recovering = undefined;
        if (this.#owed && !this.#closed) this.#retryIn(Math.min(2 * delay, lastDelay));
      });
    }, delay).unref();
  }

  /** Tries to write the owed records; `owed` is undefined after success. */
  async #recover(): Promise<void> {
    if (!this.#owed) return;
    const written = this.#sequence - this.head.sequence;
    try {
      await this.file.reopen(this.head);
      await this.file.append(this.#owed);
    } catch (error) {
      this.file.abandon();
      this.#reason = reasonOf(this.file.path, error);
      this.observer.observe({ type: 'failed', owed: written, error });
      return;
    }
    this.commits += 1;
    this.#owed = undefined;
    this.head = { sequence: this.#sequence, hash: this.#hash };
    this.observer.observe({ type: 'recovered', written });
    this.observer.durable(this.head);
  }

  #refusal(): AuditError {
    return new AuditError(this.#closed ? 'The audit log is closed.' : (this.#reason ?? ''));
  }
}

function reasonOf(path: string, error: unknown): string {
  if (error instanceof AuditError) return error.message;
  const code = (error as NodeJS.ErrnoException).code ?? 'an internal error';
  return (
    `The audit log ${path} cannot be written (${code}), so operations are refused. ` +
    'Free space or repair the disk; the daemon tries again by itself within 5 s.'
  );
}
