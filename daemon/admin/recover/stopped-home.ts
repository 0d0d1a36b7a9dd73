// Shared by the programs of `keyhold recover`. They need what only the machine's operator has: a stopped daemon, which the
// lock of the metadata store proves, and the HSM with its PIN, without which no record can be changed.
import { whileWaiting } from '../../../proto/progress.js';
import { Anchoring } from '../../app/opening/anchor.js';
import { hasEvent } from '../../audit/search.js';
import { loadConfig } from '../../config/load.js';
import type { Config } from '../../config/schema.js';
import type { KeyStore } from '../../hsm/key-store.js';
import { openKeyStore } from '../../app/opening/open-key-store.js';
import type { Instance } from '../../app/opening/instance.js';
import { createLog, type Logger } from '../../observability/log.js';
import {
  expectedLogHead,
  openAudit,
  type OpenedRecords,
  readOwnInstance,
} from '../../app/opening/open-home.js';
import type { ServiceEvent } from '../../audit/event.js';
import { AuditOutbox } from '../../journal/audit-outbox.js';
import { type Change, Recorder } from '../../journal/recorder.js';
import { openStore } from '../../app/opening/open-store.js';
import type { MetadataStore } from '../../store/store.js';
import { homePaths } from '../../files/home.js';

/** A home whose daemon is stopped. */
export interface StoppedHome {
  readonly home: string;
  readonly config: Config;
  readonly store: MetadataStore;
  readonly keyStore: KeyStore;
  readonly instance: Instance;
  readonly log: Logger;
}

/** Opens a home, calls back, and closes it. @throws StoreError 'locked' if its daemon is running */
export async function withStoppedHome<T>(home: string, use: (home: StoppedHome) => Promise<T>): Promise<T> {
  const log = createLog('warn');
  const store = await whileWaiting('opening the store', openStore(home));
  try {
    const config = loadConfig(home);
    const instance = await readOwnInstance(store, config);
    const keyStore = await whileWaiting('opening the HSM', openKeyStore(home, config, log, 1));
    try {
      return await use({ home, config, store, keyStore, instance, log });
    } finally {
      await keyStore.close();
    }
  } finally {
    await store.close();
  }
}

/**
 * Commits a change with its event, appends events that the audit log lacks, and updates the anchor in the HSM.
 * @param isLogAccepted accept the present audit log; otherwise the records that it must have stay the same
 */
export async function commitAudited(
  { home, config, keyStore, instance, log }: StoppedHome,
  opened: OpenedRecords,
  change: Change,
  event: ServiceEvent,
  isLogAccepted: boolean,
): Promise<void> {
  const { records, anchor } = opened;
  const audit = await openAudit(home, config, instance, keyStore, log);
  const expected = expectedLogHead(opened);
  records.followLog(() => (isLogAccepted ? audit.head : expected));
  const owed = new AuditOutbox(records, audit);
  try {
    await new Recorder(records, audit, owed).commit(change, event);
    await owed.complete((eventId, after) => hasEvent(homePaths(home).audit, eventId, after));
  } finally {
    await audit.close();
  }
  await records.commitRoot();
  await new Anchoring(keyStore, instance, records, log, anchor).close();
}
