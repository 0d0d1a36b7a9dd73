// The audit log as the checks read it: new records, and the state that follows from all records.
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { KnownState } from './model.js';

const auditRecord = z.object({
  eventName: z.string(),
  eventType: z.enum(['AwsApiCall', 'AwsServiceEvent']),
  requestParameters: z.record(z.string(), z.unknown()).nullish(),
  responseElements: z.unknown().optional(),
  serviceEventDetails: z.record(z.string(), z.unknown()).optional(),
  errorCode: z.string().optional(),
});

export type AuditRecord = z.output<typeof auditRecord>;

/** Reads the files of a log from where it last stopped. */
export class AuditReader {
  readonly #offsets = new Map<string, number>();

  constructor(readonly directory: string) {}

  /** Records since the last call, without checkpoints and incomplete lines. */
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

const createdKey = z.object({
  keyMetadata: z.object({ keyId: z.string(), keyState: z.enum(['Enabled', 'PendingImport']) }),
});
const keyParameters = z.object({ keyId: z.string() });
const aliasParameters = z.object({ aliasName: z.string(), targetKeyId: z.string() });

/** The state that must exist if everything in the audit log was done, and nothing else. */
export class Replay {
  /** Key ID → its state. */
  readonly keys = new Map<string, KnownState>();
  /** Keys that wait for the import of their material, in whatever state they are. */
  readonly withoutMaterial = new Set<string>();
  /** Key ID → number of rotations. */
  readonly rotations = new Map<string, number>();
  /** Alias name → key ID. */
  readonly aliases = new Map<string, string>();
  /** Repairs that starts of the daemon made. */
  readonly repairs = { starts: 0, intents: 0, events: 0, tornLines: 0 };

  apply(record: AuditRecord): void {
    if (record.errorCode === undefined) effects[record.eventName]?.(this, record);
  }
}

const effects: Readonly<Record<string, (replay: Replay, record: AuditRecord) => void>> = {
  CreateKey(replay, { responseElements }) {
    const { keyId, keyState } = createdKey.parse(responseElements).keyMetadata;
    replay.keys.set(keyId, keyState);
    if (keyState === 'PendingImport') replay.withoutMaterial.add(keyId);
  },
  EnableKey({ keys }, { requestParameters }) {
    keys.set(keyParameters.parse(requestParameters).keyId, 'Enabled');
  },
  DisableKey({ keys }, { requestParameters }) {
    keys.set(keyParameters.parse(requestParameters).keyId, 'Disabled');
  },
  ScheduleKeyDeletion({ keys }, { requestParameters }) {
    keys.set(keyParameters.parse(requestParameters).keyId, 'PendingDeletion');
  },
  CancelKeyDeletion({ keys, withoutMaterial }, { requestParameters }) {
    const { keyId } = keyParameters.parse(requestParameters);
    keys.set(keyId, withoutMaterial.has(keyId) ? 'PendingImport' : 'Disabled');
  },
  ImportKeyMaterial({ keys, withoutMaterial }, { requestParameters }) {
    const { keyId } = keyParameters.parse(requestParameters);
    withoutMaterial.delete(keyId);
    if (keys.get(keyId) === 'PendingImport') keys.set(keyId, 'Enabled');
  },
  DeleteImportedKeyMaterial({ keys, withoutMaterial }, { requestParameters }) {
    const { keyId } = keyParameters.parse(requestParameters);
    withoutMaterial.add(keyId);
    if (keys.get(keyId) !== 'PendingDeletion') keys.set(keyId, 'PendingImport');
  },
  DeleteKey({ keys, aliases, rotations }, { serviceEventDetails }) {
    const { keyId } = keyParameters.parse(serviceEventDetails);
    keys.delete(keyId);
    rotations.delete(keyId);
    for (const [name, target] of aliases) if (target === keyId) aliases.delete(name);
  },
  RotateKeyOnDemand({ rotations }, { requestParameters }) {
    const { keyId } = keyParameters.parse(requestParameters);
    rotations.set(keyId, (rotations.get(keyId) ?? 0) + 1);
  },
  RotateKey({ rotations }, { serviceEventDetails }) {
    const { keyId } = keyParameters.parse(serviceEventDetails);
    rotations.set(keyId, (rotations.get(keyId) ?? 0) + 1);
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
