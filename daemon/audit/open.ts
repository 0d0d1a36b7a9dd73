// Opens the audit log: repairs a torn line in the newest file, and appends with checkpoints.
import type { Distribution } from '../observability/metrics/distribution.js';
import type { AuditLog, CheckpointSigner } from './audit-log.js';
import { type ChainHead, parseStart } from './chain.js';
import { isCheckpoint, parseCheckpoint } from './checkpoint.js';
import { type CheckpointEvent, Checkpointer } from './checkpointer.js';
import { makeServiceEvent } from './event.js';
import { LogFile, type OpenedLogFile, type TornLine } from './log-file.js';
import { AuditWriter, type WriterEvent } from './writer.js';

/** An event of the audit log, for the log of the daemon. */
export type AuditLogEvent =
  | WriterEvent
  | CheckpointEvent
  /** A torn last line was cut off when the log was opened. */
  | { readonly type: 'repaired'; readonly torn: TornLine };

/** Options of the audit log. */
export interface AuditLogOptions {
  /** `$KEYHOLD_HOME/audit`; created (mode 0700) if it does not exist. */
  readonly directory: string;
  readonly signer: CheckpointSigner;
  /** Of the events of the log itself. */
  readonly account: string;
  readonly region: string;
  /** Receives events for the daemon's log. */
  readonly observe: (event: AuditLogEvent) => void;
  /** Called after each group of records that has become durable. */
  readonly durable?: () => void;
  /** Number of requests in flight: with many, a group of few records waits for more. Absent: no group waits. */
  readonly underWay?: () => number;
  /** Size in bytes after which a new file is begun; default: 64 MiB. */
  readonly maxFileSize?: number;
  /** Maximum number of records between two checkpoints under load; default: 1,000. */
  readonly checkpointRecords?: number;
  /** Maximum time in milliseconds between two checkpoints while records are written; default: 5,000. */
  readonly checkpointInterval?: number;
}

/** The audit log in files, with what is counted of it since it was opened. */
export interface FileAuditLog extends AuditLog {
  /** Durable writes. */
  readonly commits: number;
  /** Records of each group that was written at once. */
  readonly groups: Distribution;
  /** Seconds of each fdatasync. */
  readonly syncs: Distribution;
  /** Groups that could not be written at first. */
  readonly failures: number;
  /** Records that wait for a log that is whole again. */
  readonly owed: number;
  /** Returns when a durable checkpoint covers a record, which must be durable. @throws AuditError if none can be made */
  cover(sequence: number): Promise<void>;
}

/**
 * Opens the audit log. Only the daemon that has locked the metadata store may open it.
 * @throws AuditError if the log's last complete line is not a record
 */
export async function openAuditLog(options: AuditLogOptions): Promise<FileAuditLog> {
  const { directory, signer, observe } = options;
  const opened = await LogFile.open(directory, options.maxFileSize ?? 64 * 1024 * 1024);
  const cadence = {
    records: options.checkpointRecords ?? 1000,
    interval: options.checkpointInterval ?? 5000,
  };
  const writer: AuditWriter = new AuditWriter(opened.file, opened.last, {
    observe,
    durable: (head) => {
      checkpointer.durable(head);
      options.durable?.();
    },
    underWay: options.underWay ?? (() => 0),
  });
  const checkpointer = new Checkpointer(writer, signer, cadence, observe, newestCheckpoint(opened));
  if (opened.torn) {
    const { file, offset, length: removedBytes } = opened.torn;
    const { account, region } = options;
    const event = makeServiceEvent('AuditLogRepaired', account, region, { file, offset, removedBytes });
    await writer.append(event.members);
    observe({ type: 'repaired', torn: opened.torn });
  }
  checkpointer.durable(writer.head);
  return new CheckpointedLog(writer, checkpointer);
}

class CheckpointedLog implements FileAuditLog {
  constructor(
    private readonly writer: AuditWriter,
    private readonly checkpointer: Checkpointer,
  ) {}

  get head(): ChainHead {
    return this.writer.head;
  }

  get available(): boolean {
    return this.writer.available;
  }

  get fault(): string | undefined {
    return this.writer.fault;
  }

  get busySince(): number | undefined {
    return this.writer.busySince;
  }

  get commits(): number {
    return this.writer.commits;
  }

  get groups(): Distribution {
    return this.writer.groups;
  }

  get syncs(): Distribution {
    return this.writer.syncs;
  }

  get failures(): number {
    return this.writer.failures;
  }

  get owed(): number {
    return this.available ? 0 : this.writer.lastSequence - this.writer.head.sequence;
  }

  append(members: string): Promise<void> {
    return this.writer.append(members);
  }

  cover(sequence: number): Promise<void> {
    return this.checkpointer.cover(sequence);
  }

  async close(): Promise<void> {
    await this.writer.settle();
    await this.checkpointer.close();
    await this.writer.close();
  }
}

function newestCheckpoint({ last, lastLine }: OpenedLogFile) {
  const start = lastLine && parseStart(lastLine);
  if (!start || !isCheckpoint(lastLine, start.membersAt)) return undefined;
  const checkpoint = parseCheckpoint(lastLine);
  return checkpoint && { covered: checkpoint.sequence, recordedAt: last.sequence };
}
