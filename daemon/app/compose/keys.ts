// Phase 3: keys and key stores, after the repair of what a crash left behind.
import { Secrets } from '../../hsm/secrets.js';
import {
  finishDestructions,
  type Inspection,
  inspectToken,
  Keyring,
  KeyStores,
  LastUsage,
  MaterialFactory,
  MessageCounts,
  Namer,
  openInternalKeys,
  repairIntents,
  UnknownMaterials,
  wrappingObjects,
} from '../../keys/index.js';
import { KeyLifecycle } from '../../lifecycle/key-lifecycle.js';
import { linkObjects } from '../../regions/links/link-record.js';
import type { Logger } from '../../observability/log.js';
import { anchorLabel } from '../opening/anchor.js';
import { secretsKey } from '../opening/instance.js';
import { Clusters } from '../opening/open-key-store.js';
import { OrphanRecovery } from '../opening/orphan-recovery.js';
import type { Journal } from './journal.js';
import type { Settings } from './settings.js';
import type { Storage } from './storage.js';
import { homePaths } from '../../files/home.js';

/** Keys, their stores and materials. */
export type Keys = Awaited<ReturnType<typeof openKeys>>;

/**
 * Undoes what a crash left in the token, and opens keys and key stores.
 * @throws HsmError, StoreError
 */
export async function openKeys(
  { home, config, limits, log }: Settings,
  { storage, journal }: { readonly storage: Storage; readonly journal: Journal },
) {
  const { instance, keyStore, records } = storage;
  const madeKeys = new OrphanRecovery(homePaths(home).audit, records, keyStore, log);
  const repaired = await repairIntents(records, keyStore, { isKept: (id) => madeKeys.isKept(id) });
  const repairs = repaired.length + (await finishDestructions(records, keyStore));
  const internalKeys = await openInternalKeys(records, keyStore);
  const keyring = new Keyring(records, new Namer(instance.account, instance.region));
  const secrets = new Secrets(keyStore, secretsKey(instance));
  const clusters = new Clusters(home, config, secrets, log);
  const stores = new KeyStores(keyStore, { records, keyring, clusters, log });
  const ownKeys = Object.values(internalKeys).map((id) => id.toString('hex'));
  const ownObjects = new Set([...Object.values(instance.internalKeys), ...ownKeys]);
  const others = [...ownObjects, ...wrappingObjects(records), ...linkObjects(records), ...repaired];
  const inspection = inspectToken(
    keyStore.objects,
    keyring.keysIn(undefined),
    undefined,
    others,
    anchorLabel(instance),
  );
  keyring.connected(undefined, inspection.missing);
  report(log, inspection);

  const materials = new MaterialFactory(keyring, records, stores, internalKeys['material-ids']);
  const acts = new KeyLifecycle({ keyring, records, stores, materials }, journal.recorder);
  const messageCounts = await MessageCounts.open(records, {
    keyring,
    bound: limits.messagesPerMaterial,
    rotate: (keyId) => acts.rotateKey(keyId),
    log,
  });
  const lastUsage = new LastUsage(records);
  const unknownMaterials = new UnknownMaterials();
  return {
    madeKeys,
    repairs,
    internalKeys,
    keyring,
    secrets,
    clusters,
    stores,
    ownObjects,
    inspection,
    materials,
    acts,
    messageCounts,
    lastUsage,
    unknownMaterials,
  };
}

function report(log: Logger, { missing, unclaimed, foreign }: Inspection): void {
  if (missing.length > 0) log.error({ missing }, 'key material is missing from the token');
  if (unclaimed.length > 0) log.error({ unclaimed }, 'the token contains key material without a record');
  if (foreign > 0) log.info({ foreign }, 'the token contains objects that do not belong to this Keyhold');
}
