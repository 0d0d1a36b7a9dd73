// The audit log as the checks read it: what is new in it, and what it says that there must be.
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const auditRecord = z.object({
  eventName: z.string(),
  eventType: z.enum(['AwsApiCall', 'AwsServiceEvent']),
  requestParameters: z.record(z.string(), z.unknown()).nullish(),
  responseElements: z.unknown().optional(),
  serviceEventDetails: z.record(z.string(), z.unknown()).optional(),
  errorCode: z.string().optional(),
});

export type AuditRecord = z.output<typeof auditRecord>;

/** Reads the files of a log from where it stopped the last time. */
export class AuditReader {
  readonly #offsets = new Map<string, number>();

  constructor(readonly directory: string) {}

  /** Records since the last call, without checkpoints; a line that is not complete does not count. */
  read(): AuditRecord[] {
    return readdirSync(this.directory)
      .sort()
      .flatMap((name) => this.#readFile(name));
  }

  #readFile(name: string): AuditRecord[] {
    const file = openSync(join(this.directory, name), 'r');
    try {
      const offset = this.#offsets.get(name) ?? 0;
      const bytes = Buffer.alloc(fstatSync(file).size - offset);
      const length = readSync(file, bytes, 0, bytes.length, offset);
      const end = bytes.lastIndexOf(0x0a, length) + 1;
      this.#offsets.set(name, offset + end);
      const lines = bytes.toString('utf8', 0, end).split('\n').filter(Boolean);
      const events = lines.map((line) => JSON.parse(line) as { eventType?: string });
      return events
        .filter(({ eventType }) => eventType !== 'KeyholdCheckpoint')
        .map((event) => auditRecord.parse(event));
    } finally {
      closeSync(file);
    }
  }
}

const createdKey = z.object({ keyMetadata: z.object({ keyId: z.string() }) });
const keyParameters = z.object({ keyId: z.string() });
const aliasParameters = z.object({ aliasName: z.string(), targetKeyId: z.string() });

/** What there must be if all that the audit log tells was done, and nothing else. */
export class Replay {
  /** Key id → whether it is enabled. */
  readonly keys = new Map<string, boolean>();
  /** Alias name → key id. */
  readonly aliases = new Map<string, string>();
  /** What starts of the daemon had to put right. */
  readonly repairs = { starts: 0, intents: 0, events: 0, tornLines: 0 };

  apply(record: AuditRecord): void {
    if (record.errorCode === undefined) effects[record.eventName]?.(this, record);
  }
}

const effects: Readonly<Record<string, (replay: Replay, record: AuditRecord) => void>> = {
  CreateKey({ keys }, { responseElements }) {
    keys.set(createdKey.parse(responseElements).keyMetadata.keyId, true);
  },
  EnableKey({ keys }, { requestParameters }) {
    keys.set(keyParameters.parse(requestParameters).keyId, true);
  },
  DisableKey({ keys }, { requestParameters }) {
    keys.set(keyParameters.parse(requestParameters).keyId, false);
  },
  CreateAlias({ aliases }, { requestParameters }) {
    const { aliasName, targetKeyId } = aliasParameters.parse(requestParameters);
    aliases.set(aliasName, targetKeyId);
  },
  StartService({ repairs }, { serviceEventDetails }) {
    repairs.starts += 1;
    repairs.intents += Number(serviceEventDetails?.repairedIntents ?? 0);
    repairs.events += Number(serviceEventDetails?.completedEvents ?? 0);
  },
  AuditLogRepaired({ repairs }) {
    repairs.tornLines += 1;
  },
};
