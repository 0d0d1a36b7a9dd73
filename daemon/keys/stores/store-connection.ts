// The connection of one custom key store, with the connection states of AWS KMS.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionErrorCodeType, ConnectionStateType } from '../../../proto/generated/messages.js';
import { HsmError, type HsmErrorCode, type KeyStore } from '../../hsm/key-store.js';
import type { KeyStoreEvent } from '../../hsm/key-store-event.js';
import { watchedTimeout } from '../../hsm/watched-timeout.js';

/** Milliseconds between two attempts, doubling from the first to the longest. */
const firstDelay = 500;
const longestDelay = 10_000;
/** Milliseconds for which a store may have no worker before it is FAILED. Requests wait as long. */
const grace = 5_000;

/** How a connection reaches its token. */
export interface ConnectionOptions {
  /**
   * Connects.
   * @param signal aborts the attempt
   * @param onEvent called with the events of the key store
   * @returns undefined if the configuration does not define the cluster
   * @throws HsmError, or any other error
   */
  readonly open: (
    signal: AbortSignal,
    onEvent: (event: KeyStoreEvent) => void,
  ) => Promise<KeyStore | undefined>;
  /** Prepares the store before its keys are used. */
  readonly prepare: (store: KeyStore) => Promise<void>;
  /** Called after each change of state. */
  readonly changed: () => void;
}

/** AWS KMS's codes for the errors of the HSM layer; all others are INTERNAL_ERROR. */
const connectionErrors: Readonly<Partial<Record<HsmErrorCode, ConnectionErrorCodeType>>> = {
  'login-refused': 'INVALID_CREDENTIALS',
  'pin-locked': 'USER_LOCKED_OUT',
  'no-user-pin': 'USER_NOT_FOUND',
  'no-token': 'INSUFFICIENT_CLOUDHSM_HSMS',
  timeout: 'NETWORK_ERRORS',
};

/** The connection of one custom key store. */
export class StoreConnection {
  #state: ConnectionStateType = 'DISCONNECTED';
  #errorCode: ConnectionErrorCodeType | undefined;
  #reason = '';
  #store: KeyStore | undefined;
  #end = new AbortController();
  #attempts: Promise<void> = Promise.resolve();
  #disconnecting: Promise<void> | undefined;
  #endGrace = (): void => undefined;
  /** Why the last start of a worker failed. */
  #lastError: unknown;

  constructor(private readonly options: ConnectionOptions) {}

  /** The connection state, as in DescribeCustomKeyStores. */
  get state(): ConnectionStateType {
    return this.#state;
  }

  /** The error code; undefined unless the state is FAILED. */
  get errorCode(): ConnectionErrorCodeType | undefined {
    return this.#state === 'FAILED' ? this.#errorCode : undefined;
  }

  /** A sentence for an operator; empty unless the state is FAILED. */
  get reason(): string {
    return this.#state === 'FAILED' ? this.#reason : '';
  }

  /** The key store; undefined unless the state is CONNECTED. */
  get store(): KeyStore | undefined {
    return this.#state === 'CONNECTED' ? this.#store : undefined;
  }

  /**
   * Begins to connect a store that is DISCONNECTED. A failed attempt is repeated until {@link disconnect}, so that an HSM
   * that becomes available later is found. A refused PIN is not tried again, because the login latch prevents the login.
   */
  connect(): void {
    this.#end = new AbortController();
    this.#enter('CONNECTING');
    this.#attempts = this.#connect(this.#end.signal).catch((error: unknown) => this.#failWith(error));
  }

  /** Finishes the requests in flight and disconnects from the token. */
  disconnect(): Promise<void> {
    this.#disconnecting ??= this.#disconnect().finally(() => (this.#disconnecting = undefined));
    return this.#disconnecting;
  }

  async #disconnect(): Promise<void> {
    this.#end.abort();
    this.#endGrace();
    this.#enter('DISCONNECTING');
    await this.#attempts;
    await this.#store?.close();
    this.#store = undefined;
    this.#enter('DISCONNECTED');
  }

  async #connect(signal: AbortSignal): Promise<void> {
    for (let delay = firstDelay; !signal.aborted; delay = Math.min(2 * delay, longestDelay)) {
      let store: KeyStore | undefined;
      try {
        store = await this.options.open(signal, (event) => this.#heard(event));
        if (store) {
          await this.options.prepare(store);
          this.#store = store;
          this.#follow(store);
          return;
        }
        this.#fail('CLUSTER_NOT_FOUND', 'keyhold.yaml does not define its cluster');
      } catch (error) {
        await store?.close();
        this.#failWith(error);
      }
      await sleep(delay, undefined, { signal }).catch(() => undefined);
    }
  }

  #heard(event: KeyStoreEvent): void {
    if (event.type === 'start-failed') this.#lastError = event.error;
    if (event.type === 'login-refused') this.#lastError = new HsmError(event.refusal, event.reason);
    if (event.type === 'state' && this.#store) this.#follow(this.#store);
  }

  #follow({ state }: KeyStore): void {
    if (this.#end.signal.aborted) return;
    this.#endGrace();
    if (state === 'connected') this.#enter('CONNECTED');
    else if (state === 'login-refused') this.#failWith(this.#lastError);
    else this.#endGrace = watchedTimeout(() => this.#failWith(this.#lastError), grace);
  }

  #failWith(error: unknown): void {
    const code = error instanceof HsmError ? connectionErrors[error.code] : undefined;
    this.#fail(code ?? 'INTERNAL_ERROR', error instanceof Error ? error.message : 'its workers were lost');
  }

  #fail(errorCode: ConnectionErrorCodeType, reason: string): void {
    if (this.#end.signal.aborted) return;
    this.#errorCode = errorCode;
    this.#reason = reason;
    this.#enter('FAILED');
  }

  #enter(state: ConnectionStateType): void {
    if (this.#state === state) return;
    this.#state = state;
    this.options.changed();
  }
}
