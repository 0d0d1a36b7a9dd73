// What daemon and programs open in a home: the instance, its records and its audit log.
import { join } from 'node:path';
import { openAuditLog } from './audit/open.js';
import { ConfigError } from './config/load.js';
import type { Config } from './config/schema.js';
import type { KeyStore } from './hsm/key-store.js';
import { type Instance, instanceRecordKey, internalObjectId, readInstance } from './instance.js';
import { ecdsaSha256, hmacSha256 } from './keys/specs.js';
import type { Logger } from './observability/log.js';
import { Records } from './store/records.js';
import { type MetadataStore, StoreError } from './store/store.js';

/** @throws ConfigError where the home was not initialised, or for another account */
export async function readOwnInstance(store: MetadataStore, config: Config): Promise<Instance> {
  const instance = await readInstance(store);
  if (!instance) throw new ConfigError("This home is not initialised: run 'keyhold init' first.");
  if (instance.account !== config.account || instance.region !== config.region) {
    const own = `account ${instance.account} in ${instance.region}`;
    throw new ConfigError(
      `keyhold.yaml names another account or Region than this home was made for (${own}).`,
    );
  }
  return instance;
}

/** @throws StoreError 'corrupt', HsmError */
export async function loadRecords(
  store: MetadataStore,
  instance: Instance,
  keyStore: KeyStore,
): Promise<Records> {
  const macKey = internalObjectId(instance, 'record-mac');
  const mac = (message: Buffer) => keyStore.sign(macKey, hmacSha256, 'none', message);
  const records = await Records.load(store, instance.storeId, mac);
  if (records.get(instanceRecordKey) !== JSON.stringify(instance)) {
    throw new StoreError(
      'corrupt',
      'The instance record was changed outside Keyhold: restore the store from a backup.',
    );
  }
  return records;
}

/** Who hears of what becomes of the log. */
export interface AuditWatch {
  /** The log is whole again after a failure; so many records that were owed are written. */
  readonly recovered: (written: number) => Promise<void>;
  /** There are more durable records. */
  readonly durable?: () => void;
}

/** @throws AuditError */
export function openAudit(
  home: string,
  config: Config,
  instance: Instance,
  keyStore: KeyStore,
  log: Logger,
  { recovered, durable }: AuditWatch,
) {
  const signingKey = internalObjectId(instance, 'audit-signing');
  return openAuditLog({
    directory: join(home, 'audit'),
    signer: {
      keyId: signingKey.toString('hex'),
      sign: (message) => ecdsaSha256(keyStore, signingKey, message),
    },
    observe: (event) => {
      log[event.type === 'checkpoint' ? 'debug' : 'error'](event, `audit log: ${event.type}`);
      if (event.type === 'recovered') void recovered(event.written);
    },
    durable,
    maxFileSize: config.audit.fileBytes,
    checkpointRecords: config.audit.checkpointRecords,
    checkpointInterval: config.audit.checkpointSeconds * 1000,
  });
}
