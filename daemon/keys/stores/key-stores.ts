// The key stores: the default one and the custom ones.
import { KeyError } from '../errors.js';
import type { CustomKeyStoresListEntry } from '../../../proto/generated/messages.js';
import type { CipherKey, Ciphertext, KeyStore } from '../../hsm/key-store.js';
import type { KeyStoreEvent } from '../../hsm/key-store-event.js';
import type { Logger } from '../../observability/log.js';
import type { Records } from '../../store/records/records.js';
import {
  type CustomKeyStoreRecord,
  customKeyStores,
  existingCustomKeyStore,
  findCustomKeyStore,
  customKeyStorePrefix,
} from './custom-key-stores.js';
import { foreignObjects, type Inspection, inspectToken } from '../material/inspection.js';
import { intendedObjects, repairIntents } from '../material/intents.js';
import type { Keyring } from '../keyring.js';
import type { KeyRecord } from '../record.js';
import { StoreConnection } from './store-connection.js';

/** Passed to {@link ClusterDirectory.open} by the connection of a custom key store. */
export interface Backing {
  /** Aborts an attempt to connect. */
  readonly signal: AbortSignal;
  /** Called with the events of the key store. */
  readonly onEvent: (event: KeyStoreEvent) => void;
}

/** The tokens that the configuration defines for custom key stores, by CloudHsmClusterId. */
export interface ClusterDirectory {
  /** Finds a cluster. @returns whether its PIN is configured; undefined if the configuration does not define the cluster */
  find(clusterId: string): { readonly hasPin: boolean } | undefined;
  /**
   * Connects to the token of a custom key store.
   * @returns undefined if the configuration does not define the cluster
   * @throws HsmError, or another error about the configuration
   */
  open(record: CustomKeyStoreRecord, backing: Backing): Promise<KeyStore> | undefined;
  /** Allows a login after the token refused one. */
  clearLatch(customKeyStoreId: string): void;
}

/** A key, or the location of one of its materials. */
export interface MaterialLocation {
  readonly record: Pick<KeyRecord, 'customKeyStoreId'>;
}

/** Options of the key stores. */
export interface KeyStoresOptions {
  readonly records: Records;
  readonly keyring: Keyring;
  readonly clusters: ClusterDirectory;
  readonly log: Logger;
}

function hanging(title: string): string {
  return `no HSM worker of ${title} answers: the module hangs, or the workers are stopped`;
}

/** All key stores. */
export class KeyStores {
  readonly #connections = new Map<string, StoreConnection>();
  readonly #inspections = new Map<string, Inspection>();
  /** The parts of each store's record that affect the login, as text. */
  readonly #credentials = new Map<string, string>();
  /** Intents from before this start of the daemon. Newer ones may still be committed. */
  readonly #leftIntents: ReadonlySet<string>;

  /** @param main the token that also holds the daemon's own keys */
  constructor(
    readonly main: KeyStore,
    private readonly options: KeyStoresOptions,
  ) {
    this.#leftIntents = new Set(options.records.keys('intent/'));
    options.records.observe(customKeyStorePrefix, (key) =>
      this.#reconcile(key.slice(customKeyStorePrefix.length)),
    );
  }

  /** The tokens that the configuration defines. */
  get clusters(): ClusterDirectory {
    return this.options.clusters;
  }

  /** Begins to connect the stores that should be connected, without waiting. */
  start(): void {
    for (const { customKeyStoreId } of customKeyStores(this.options.records))
      this.#reconcile(customKeyStoreId);
  }

  /** Finishes the requests in flight, and disconnects all custom key stores. */
  async close(): Promise<void> {
    const open = [...this.#connections.values()].filter(({ state }) => state !== 'DISCONNECTED');
    await Promise.all(open.map((connection) => connection.disconnect()));
  }

  /**
   * Returns the store of a key.
   * @throws KeyError (invalid-state) if it is not connected
   */
  of({ record: { customKeyStoreId } }: MaterialLocation): KeyStore {
    if (customKeyStoreId === undefined) return this.main;
    const store = this.#connections.get(customKeyStoreId)?.store;
    if (store) return store;
    throw new KeyError(
      'invalid-state',
      `The custom key store ${customKeyStoreId} of this key is not connected.`,
    );
  }

  /**
   * Returns the store that a request names.
   * @throws KeyError (key-store-not-found); KeyError (key-store-invalid-state) if it is not connected
   */
  named(customKeyStoreId: string | undefined): KeyStore {
    if (customKeyStoreId === undefined) return this.main;
    existingCustomKeyStore(this.options.records, customKeyStoreId);
    const connection = this.#connections.get(customKeyStoreId);
    if (connection?.store) return connection.store;
    throw new KeyError(
      'key-store-invalid-state',
      `The custom key store ${customKeyStoreId} is ${this.connectionOf(customKeyStoreId).connectionState}: ` +
        'it must be CONNECTED.',
    );
  }

  /**
   * Re-encrypts a message. If both keys are in the same token, one worker does it; otherwise the plaintext passes through
   * the daemon's memory and is wiped.
   */
  async reEncrypt(
    source: MaterialLocation,
    from: { readonly cipherKey: CipherKey; readonly aad: Buffer; readonly message: Ciphertext },
    destination: MaterialLocation,
    to: { readonly cipherKey: CipherKey; readonly aad: Buffer },
  ): Promise<Ciphertext> {
    const store = this.of(source);
    const other = this.of(destination);
    if (store === other) return store.reEncrypt(from.cipherKey, from.aad, from.message, to.cipherKey, to.aad);
    const plaintext = await store.decrypt(from.cipherKey, from.aad, from.message);
    try {
      return await other.encrypt(to.cipherKey, to.aad, plaintext);
    } finally {
      plaintext.fill(0);
    }
  }

  /** Connection state of a custom key store, as DescribeCustomKeyStores shows it. */
  connectionOf(
    customKeyStoreId: string,
  ): Required<Pick<CustomKeyStoresListEntry, 'connectionState'>> &
    Pick<CustomKeyStoresListEntry, 'connectionErrorCode'> {
    const connection = this.#connections.get(customKeyStoreId);
    return {
      connectionState: connection?.state ?? 'DISCONNECTED',
      connectionErrorCode: connection?.errorCode,
    };
  }

  /** Returns the CloudHsmClusterId of a key in a custom key store. @returns undefined in the default store */
  clusterOf({ record: { customKeyStoreId } }: MaterialLocation): string | undefined {
    if (customKeyStoreId === undefined) return undefined;
    return findCustomKeyStore(this.options.records, customKeyStoreId)?.cloudHsmClusterId;
  }

  /** The connected stores, the default one first. */
  get connected(): readonly KeyStore[] {
    const others = [...this.#connections.values()].map(({ store }) => store);
    return [this.main, ...others.filter((store) => store !== undefined)];
  }

  /** The state of each store by name, for the health report. */
  get states(): Record<string, string> {
    const states: Record<string, string> = { [this.main.name]: this.main.state };
    for (const { customKeyStoreId } of customKeyStores(this.options.records))
      states[customKeyStoreId] = this.connectionOf(customKeyStoreId).connectionState.toLowerCase();
    return states;
  }

  /** The workers of each connected store, by its name. */
  get workers(): ReadonlyMap<string, KeyStore['workers']> {
    const workers = new Map([[this.main.name, this.main.workers]]);
    for (const [customKeyStoreId, { store }] of this.#connections)
      if (store) workers.set(customKeyStoreId, store.workers);
    return workers;
  }

  /** Warnings for the health report. */
  get warnings(): string[] {
    const warnings: string[] = [];
    for (const { customKeyStoreId, name } of customKeyStores(this.options.records)) {
      const title = `custom key store '${name}' (${customKeyStoreId})`;
      const connection = this.#connections.get(customKeyStoreId);
      if (connection?.state === 'FAILED')
        warnings.push(`${title} is not connected, ${connection.errorCode}: ${connection.reason}`);
      if (connection?.state !== 'CONNECTED') continue;
      if (connection.store?.hangs) warnings.push(hanging(title));
      const { missing, foreign } = this.#inspections.get(customKeyStoreId)!;
      for (const each of this.options.keyring.stillMissing(missing))
        warnings.push(`the token of ${title} does not hold ${each}`);
      if (foreign > 0) warnings.push(`the token of ${title} contains ${foreignObjects(foreign)}`);
    }
    return warnings;
  }

  /** Connects or disconnects a store to match its record. */
  #reconcile(customKeyStoreId: string): void {
    const record = findCustomKeyStore(this.options.records, customKeyStoreId);
    this.#noteCredentials(customKeyStoreId, record);
    const connection = this.#connections.get(customKeyStoreId);
    if (!record) {
      this.#connections.delete(customKeyStoreId);
      connection?.disconnect().catch((error: unknown) => this.#noteDisconnect(customKeyStoreId, error));
      return;
    }
    const state = connection?.state ?? 'DISCONNECTED';
    if (record.connect && state === 'DISCONNECTED') {
      (connection ?? this.#add(customKeyStoreId)).connect();
    } else if (!record.connect && connection && state !== 'DISCONNECTED' && state !== 'DISCONNECTING') {
      connection
        .disconnect()
        .then(() => this.#reconcile(customKeyStoreId))
        .catch((error: unknown) => this.#noteDisconnect(customKeyStoreId, error));
    }
  }

  #noteDisconnect(customKeyStoreId: string, error: unknown): void {
    this.options.log.error(
      { customKeyStoreId, err: error },
      'a custom key store was not disconnected cleanly',
    );
  }

  /** Allows a login again after the password or the token was changed. */
  #noteCredentials(customKeyStoreId: string, record: CustomKeyStoreRecord | undefined): void {
    const known = this.#credentials.get(customKeyStoreId);
    const now = record && `${record.passwordGivenAt} ${record.cloudHsmClusterId}`;
    if (known !== undefined && known !== now) this.#clearLatch(customKeyStoreId);
    if (now === undefined) this.#credentials.delete(customKeyStoreId);
    else this.#credentials.set(customKeyStoreId, now);
  }

  // Called after the change is committed, so it must not throw.
  #clearLatch(customKeyStoreId: string): void {
    try {
      this.clusters.clearLatch(customKeyStoreId);
    } catch (error) {
      this.options.log.error(
        { customKeyStoreId, err: error },
        'the login latch of a store cannot be removed',
      );
    }
  }

  #add(customKeyStoreId: string): StoreConnection {
    const { records, keyring, clusters, log } = this.options;
    const connection: StoreConnection = new StoreConnection({
      open: async (signal, onEvent) =>
        clusters.open(existingCustomKeyStore(records, customKeyStoreId), { signal, onEvent }),
      prepare: (store) => this.#prepare(customKeyStoreId, store),
      changed: () => {
        const { state, errorCode, reason } = connection;
        if (state === 'CONNECTED')
          keyring.connected(customKeyStoreId, this.#inspections.get(customKeyStoreId)!.missing);
        else keyring.disconnected(customKeyStoreId);
        const details = { customKeyStoreId, errorCode, reason: reason || undefined };
        log[state === 'FAILED' ? 'error' : 'info'](details, `custom key store ${customKeyStoreId}: ${state}`);
      },
    });
    this.#connections.set(customKeyStoreId, connection);
    return connection;
  }

  /** Undoes the intents that a crash left in the token, and inspects its objects. */
  async #prepare(customKeyStoreId: string, store: KeyStore): Promise<void> {
    const { records, keyring } = this.options;
    const repaired = await repairIntents(records, store, { customKeyStoreId, left: this.#leftIntents });
    // Objects of intents since this start may still be committed, so they are not foreign.
    const others = [...repaired, ...intendedObjects(records)];
    const keys = keyring.keysIn(customKeyStoreId);
    const inspection = inspectToken(store.objects, keys, customKeyStoreId, others);
    this.#inspections.set(customKeyStoreId, inspection);
  }
}
