import type { Grants } from './grants/grants.js';
import type { Keyring } from './keyring.js';
import type { LastUsage } from './last-usage.js';
import type { InternalKeys } from './material/internal-keys.js';
import type { MaterialFactory } from './material/material-factory.js';
import type { MessageCounts } from './material/message-counts.js';
import type { UnknownMaterials } from './material/unknown-materials.js';
import type { KeyStores } from './stores/key-stores.js';

/** The services of this folder for handlers. */
export interface KeyServices {
  /** Keys and aliases. */
  readonly keyring: Keyring;
  /** The default key store and the custom ones, which use key material. */
  readonly stores: KeyStores;
  /** Makes all key material. */
  readonly materials: MaterialFactory;
  /** How many messages each key material has encrypted. */
  readonly messageCounts: MessageCounts;
  readonly lastUsage: LastUsage;
  /** Ciphertexts whose key material no key has. */
  readonly unknownMaterials: UnknownMaterials;
  readonly grants: Grants;
  /** The daemon's own keys in the token. */
  readonly internalKeys: InternalKeys;
  /** CKA_IDs of the daemon's own keys, in hex. */
  readonly ownObjects: ReadonlySet<string>;
}
