// From the configuration to a connected key store; shared by the daemon and by init.
import { loadProfile } from './config/load.js';
import { readPin } from './config/pin.js';
import type { ClusterConfig, Config } from './config/schema.js';
import type { KeyStore } from './hsm/key-store.js';
import type { KeyStoreConfig } from './hsm/pool/config.js';
import { connect } from './hsm/pool/connect.js';
import { fileLatch } from './hsm/pool/latch.js';
import { type CustomKeyStoreRecord, secretName } from './keys/custom-key-stores.js';
import type { Backing, ClusterDirectory } from './keys/key-stores.js';
import type { Secrets } from './keys/secrets.js';
import type { Logger } from './observability/log.js';

/** The name of the store that holds the daemon's own keys. */
export const defaultStore = 'default';

/**
 * Connects the default key store.
 * @param workers how many processes; the configuration's number if not given
 * @throws HsmError, ConfigError
 */
export function openKeyStore(home: string, config: Config, log: Logger, workers?: number): Promise<KeyStore> {
  const { hsm, limits } = config;
  return connect({
    ...connection(home, defaultStore, hsm, log),
    workers: workers ?? hsm.workers,
    readPin: () => readPin(hsm.pin, home),
    maxQueued: limits.queue,
  });
}

/** The clusters that the configuration defines, and the way to their tokens. */
export class Clusters implements ClusterDirectory {
  #clusters: Config['clusters'];

  constructor(
    private readonly home: string,
    private readonly config: Config,
    private readonly secrets: Secrets,
    private readonly log: Logger,
  ) {
    this.#clusters = config.clusters;
  }

  /** Takes up a configuration that was read anew; what is connected stays so. */
  reload({ clusters }: Config): void {
    this.#clusters = clusters;
  }

  find(clusterId: string): { readonly hasPin: boolean } | undefined {
    const cluster = this.#find(clusterId);
    return cluster && { hasPin: cluster.pin !== undefined };
  }

  open(record: CustomKeyStoreRecord, { signal, onEvent }: Backing): Promise<KeyStore> | undefined {
    const cluster = this.#find(record.cloudHsmClusterId);
    if (!cluster) return undefined;
    const { customKeyStoreId } = record;
    const base = connection(this.home, customKeyStoreId, cluster, this.log);
    return connect(
      {
        ...base,
        readPin: () => this.#readPin(record, cluster),
        maxQueued: this.config.limits.queue,
        onEvent: (event) => {
          base.onEvent?.(event);
          onEvent(event);
        },
      },
      signal,
    );
  }

  clearLatch(customKeyStoreId: string): void {
    fileLatch(this.home, customKeyStoreId).clear();
  }

  #find(clusterId: string): ClusterConfig | undefined {
    return Object.hasOwn(this.#clusters, clusterId) ? this.#clusters[clusterId] : undefined;
  }

  async #readPin({ customKeyStoreId, password }: CustomKeyStoreRecord, { pin }: ClusterConfig) {
    if (password !== undefined) return this.secrets.open(secretName(customKeyStoreId), password);
    if (pin) return readPin(pin, this.home);
    throw new Error(`its password is 'from-configuration', and its cluster has no 'pin' in keyhold.yaml`);
  }
}

function connection(
  home: string,
  name: string,
  { profile, tokenLabel, tokenSerial, workers }: ClusterConfig,
  log: Logger,
): Omit<KeyStoreConfig, 'readPin'> {
  const { library, environment, initialize } = loadProfile(profile, home);
  return {
    name,
    library,
    token: { label: tokenLabel, serial: tokenSerial },
    env: environment,
    initialize,
    workers,
    latch: fileLatch(home, name),
    onEvent: (event) => {
      const isNews = event.type === 'state' || event.type === 'worker-ready';
      log[isNews ? 'debug' : 'error'](event, `key store ${name}: ${event.type}`);
    },
  };
}
