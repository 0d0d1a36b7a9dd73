// Phase 2: the audit log, its sinks, and the events that are pending from the last run.
import { makeServiceEvent } from '../../audit/event.js';
import { hasEvent } from '../../audit/search.js';
import { AuditOutbox } from '../../journal/audit-outbox.js';
import { Recorder } from '../../journal/recorder.js';
import { readAuditPublicKey } from '../opening/audit-public-key.js';
import { LogSeal } from '../opening/log-seal.js';
import { checkAudit, openAudit } from '../opening/open-home.js';
import { makeSinks } from '../sink-settings.js';
import type { Settings } from './settings.js';
import type { Storage } from './storage.js';
import { homePaths } from '../../files/home.js';

/** The audit log with its sinks, and the recorder of changes. */
export type Journal = Awaited<ReturnType<typeof openJournal>>;

/** What this phase needs from the others. */
export interface JournalParts {
  readonly storage: Storage;
  /** Returns how many requests are executing. */
  readonly underWay: () => number;
}

/** Opens the audit log and writes the events that are pending from the last run. @throws AuditError, StoreError */
export async function openJournal({ home, config, log }: Settings, { storage, underWay }: JournalParts) {
  const { instance, keyStore, records, anchor, anchoring } = storage;
  const isLogged = (eventId: string, after: number) => hasEvent(homePaths(home).audit, eventId, after);
  const event = (name: string, data: object, error?: { code: string; message: string }) => {
    const { account, region } = instance;
    return audit.append(makeServiceEvent(name, account, region, data, undefined, error).members);
  };
  const eventBeside = (...args: Parameters<typeof event>) => {
    event(...args).catch((error: unknown) => log.error({ err: error }, `${args[0]} could not be recorded`));
  };
  const sinks = makeSinks(home, () => audit.head.sequence, log);
  const seal = new LogSeal(records, log, () => anchoring.request());
  checkAudit(home, { records, anchor });
  const audit = await openAudit(home, config, instance, keyStore, log, {
    recovered: async (writtenRecords) => {
      eventBeside('AuditLogRecovered', { writtenRecords });
      await owed.completeRefused(isLogged);
    },
    durable: () => sinks.ring(),
    checkpoint: () => {
      seal.request();
      anchoring.request();
    },
    underWay,
  });
  records.followLog(() => audit.head);
  const owed = new AuditOutbox(records, audit);
  const completed = await owed.complete(isLogged);
  const recorder = new Recorder(records, audit, owed);
  const indexes = {
    folder: homePaths(home).auditIndex,
    publicKey: await readAuditPublicKey(instance, keyStore),
  };
  return { audit, sinks, seal, owed, completed, recorder, event, eventBeside, indexes };
}
