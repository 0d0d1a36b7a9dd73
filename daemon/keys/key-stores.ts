import { exceptions } from '../../proto/errors.js';
import type { KeyStore } from '../hsm/key-store.js';
import type { KeyRecord } from './record.js';

/** The tokens in which keys live. */
export class KeyStores {
  /** @param main the token that also holds the daemon's own keys */
  constructor(readonly main: KeyStore) {}

  /**
   * The store of a key.
   * @throws KMSInvalidStateException where it is not connected
   */
  of({ record }: { readonly record: Pick<KeyRecord, 'customKeyStoreId'> }): KeyStore {
    if (record.customKeyStoreId === undefined) return this.main;
    throw new exceptions.KMSInvalidStateException(
      `The custom key store ${record.customKeyStoreId} is not connected.`,
    );
  }
}
