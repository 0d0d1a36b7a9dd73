// Connects key stores as the configuration says, for the daemon and for init.
import { ConfigError, loadProfile } from '../../config/load.js';
import { loginPin, readPin } from '../../config/pin.js';
import type { Profile } from '../../config/profile.js';
import type { ClusterConfig, Config, PinSource, TokenConfig } from '../../config/schema.js';
import type { KeyStore } from '../../hsm/key-store.js';
import type { KeyStoreConfig } from '../../hsm/pool/config.js';
import { connect } from '../../hsm/pool/connect.js';
import { fileLatch } from '../../hsm/pool/latch.js';
import {
  type Backing,
  type ClusterDirectory,
  type CustomKeyStoreRecord,
  customKeyStoreSecretName,
} from '../../keys/index.js';
import type { Secrets } from '../../hsm/secrets.js';
import { writeModuleFiles } from './module-files.js';
import type { Logger } from '../../observability/log.js';

/** The name of the store that holds the daemon's own keys. */
export const defaultStore = 'default';

/**
 * Connects the default key store.
 * @param workers how many processes; the configuration's number if not given
 * @throws HsmError, ConfigError
 */
export function openKeyStore(home: string, config: Config, log: Logger, workers?: number): Promise<KeyStore> {
  const { hsm, limits } = config;
  return openToken(home, defaultStore, { ...hsm, workers: workers ?? hsm.workers }, log, {
    maxQueued: limits.queue,
  });
}

/**
 * Connects to a token, with the PIN from its configured source.
 * @param name of the key store; the latch of refused logins has this name too
 * @throws HsmError, ConfigError
 */
export async function openToken(
  home: string,
  name: string,
  token: TokenConfig & { readonly pin?: PinSource | undefined },
  log: Logger,
  options: Pick<KeyStoreConfig, 'maxQueued' | 'lacks' | 'sparesTries'> = {},
): Promise<KeyStore> {
  const profile = loadProfile(token.profile, home);
  const pin = () => {
    if (token.pin) return readPin(token.pin, home);
    throw new ConfigError(`There is no 'pin', which logins of ${profile.name} need.`);
  };
  return await connect({
    ...connection(home, name, token, profile, log),
    readPin: () => loginPin(profile, token, async () => await pin()),
    ...options,
  });
}

/** The clusters that the configuration defines. Connects to their tokens. */
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

  /** Uses a new configuration from now on; existing connections stay. */
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
    const profile = loadProfile(cluster.profile, this.home);
    const base = connection(this.home, customKeyStoreId, cluster, profile, this.log);
    return connect(
      {
        ...base,
        readPin: () => loginPin(profile, cluster, () => this.#readPin(record, cluster)),
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
    if (password !== undefined)
      return this.secrets.open(customKeyStoreSecretName(customKeyStoreId), Buffer.from(password, 'base64'));
    if (pin) return readPin(pin, this.home);
    throw new Error(`its password is 'from-configuration', and its cluster has no 'pin' in keyhold.yaml`);
  }
}

/** Settings of a connection. @throws ConfigError if the token is named by slot, and the module's slot IDs are not stable */
function connection(
  home: string,
  name: string,
  { profile: profileName, tokenLabel, tokenSerial, tokenSlot, workers }: TokenConfig,
  profile: Profile,
  log: Logger,
): Omit<KeyStoreConfig, 'readPin'> {
  const {
    library,
    environment,
    initialize,
    suite,
    quirks,
    login,
    mechanisms,
    selectBy,
    lacks,
    tokenFiles,
    multiRegion,
  } = profile;
  writeModuleFiles(home, profile);
  if (tokenSlot !== undefined && !selectBy.includes('slot')) {
    throw new ConfigError(
      `'tokenSlot' names no token of profile '${profileName}', whose slot ids move: use ${selectBy.join(' or ')}.`,
    );
  }
  const { userType, protectedPath } = login;
  const { rsaBits, omittedAttributes } = quirks;
  return {
    name,
    library,
    token: { label: tokenLabel, serial: tokenSerial, slot: tokenSlot },
    env: environment,
    initialize,
    suite,
    lacks,
    multiRegion,
    tokenFiles,
    quirks: {
      userType,
      protectedPath,
      avoided: mechanisms.avoided,
      rsaBits,
      oaepSha256InModule: quirks.oaepSha256 === 'module',
      drawsIvs: quirks.gcmIv === 'module',
      encapsulates: quirks.encapsulates,
      omittedAttributes,
    },
    ...(quirks.noCopyObject && { sessionCopies: 0 }),
    workers,
    mostWorkers: quirks.sessions,
    latch: fileLatch(home, name),
    onEvent: (event) => {
      const isNews = event.type === 'state' || event.type === 'worker-ready';
      log[isNews ? 'debug' : 'error'](event, `key store ${name}: ${event.type}`);
    },
  };
}
