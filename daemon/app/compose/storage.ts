// Phase 1: the metadata store and the HSM, checked against each other.
import { Anchoring } from '../opening/anchor.js';
import { restoreAuditPublicKey } from '../opening/audit-public-key.js';
import { notePlace } from '../opening/home-place.js';
import { loadRecords, readOwnInstance } from '../opening/open-home.js';
import { openKeyStore } from '../opening/open-key-store.js';
import { openStore } from '../opening/open-store.js';
import type { Settings } from './settings.js';

/** The metadata store and the default key store of a home, both open and compared with each other. */
export type Storage = Awaited<ReturnType<typeof openStorage>>;

/** Opens the metadata store and the HSM. @throws StoreError, HsmError */
export async function openStorage({ home, config, log }: Settings) {
  const store = await openStore(home);
  const startedAt = Date.now();
  const instance = await readOwnInstance(store, config);
  const keyStore = await openKeyStore(home, config, log);
  const { records, anchor } = await loadRecords(store, instance, keyStore);
  const place = await notePlace(home, config, records);
  if (place) log.warn(place.sentence);
  if (await restoreAuditPublicKey(home, instance, keyStore))
    log.warn('audit-public-key.pem was missing and was restored from the HSM');
  const anchoring = new Anchoring(keyStore, instance, records, log, anchor);
  // Until the HSM holds an anchor, an older copy of the store would be accepted.
  if (!anchor) await anchoring.flush();
  return { store, startedAt, instance, keyStore, records, anchor, anchoring, place };
}
