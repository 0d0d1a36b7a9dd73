// Gathers the content of a backup of an open home, and signs backups.
import { BackupError } from '../backup/errors.js';
import { readHomeContent, withTokenFiles } from '../backup/home-content.js';
import type { BackupContent, Sign } from '../backup/write.js';
import { ConfigError, loadConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { KeyStore } from '../hsm/key-store.js';
import { ecdsaSha256 } from '../keys/index.js';
import type { Records } from '../store/records/records.js';
import type { LogHead } from '../store/records/root.js';
import { type MetadataStore, StoreError } from '../store/store.js';
import { type Instance, instanceKey, internalObjectId } from './opening/instance.js';
import { version } from './version.js';

/** A home whose store is open. */
export interface BackupSource {
  readonly home: string;
  readonly store: MetadataStore;
  readonly instance: Instance;
  readonly records: Records;
  /** The newest durable record of the audit log. */
  readonly auditHead: () => LogHead;
}

/**
 * Gathers the content of a backup. The records, and the token if it is included, are of the same moment.
 * @throws BackupError, StoreError
 */
export async function backupContent(source: BackupSource, withToken: boolean): Promise<BackupContent> {
  const { home, store, instance, records, auditHead } = source;
  const config = configOf(home);
  const instanceBytes = await store.get(instanceKey);
  const { files, elsewhere } = await readHomeContent(home, config);
  const takeRecords = () => ({ snapshot: records.snapshot(), audit: auditHead() });
  const { token, value } = withToken
    ? await withTokenFiles(home, config, takeRecords)
    : { token: [], value: takeRecords() };
  const { snapshot, audit } = value;
  if (!snapshot || !instanceBytes)
    throw new StoreError(
      'corrupt',
      'The metadata store has no root or no instance, and cannot be backed up.',
    );
  return {
    facts: {
      version,
      account: instance.account,
      region: instance.region,
      storeId: instance.storeId,
      profile: config.hsm.profile,
      withToken,
      store: { records: snapshot.root.count, epoch: snapshot.root.epoch },
      audit: { sequence: audit.sequence, hash: audit.hash },
      elsewhere: [...elsewhere],
    },
    records: [{ key: instanceKey, value: instanceBytes }, ...snapshot.entries],
    files: [...files, ...token],
  };
}

/** The configuration as it is in the home now, because the backup takes that file. @throws BackupError 'not-written' */
function configOf(home: string): Config {
  try {
    return loadConfig(home);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new BackupError('not-written', `No backup was made: ${error.message}`, { cause: error });
  }
}

/** Makes the function that signs backups with the key of the audit log's checkpoints. */
export function backupSigner(keyStore: KeyStore, instance: Instance): Sign {
  const key = internalObjectId(instance, 'audit-signing');
  return (message) => ecdsaSha256(keyStore, key, message);
}
