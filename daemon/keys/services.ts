import type { Grants } from './grants/grants.js';
import type { Keyring } from './keyring.js';
import type { LastUsage } from './last-usage.js';
import type { InternalKeys } from './material/internal-keys.js';
import type { MaterialFactory } from './material/material-factory.js';
import type { MessageCounts } from './material/message-counts.js';
import type { UnknownMaterials } from './material/unknown-materials.js';
import type { KeyStores } from './stores/key-stores.js';

/** The services of this folder, for the handlers of operations. */
export interface KeyServices {
  /** Keys and aliases. */
  readonly keyring: Keyring;
  /** The default key store and the custom ones. */
  readonly stores: KeyStores;
  /** Creates all key material. */
  readonly materials: MaterialFactory;
  /** Counts the messages that each key material has encrypted. */
  readonly messageCounts: MessageCounts;
  readonly lastUsage: LastUsage;
  /** Key materials that ciphertexts name but no record has. */
  readonly unknownMaterials: UnknownMaterials;
  readonly grants: Grants;
  /** The daemon's own keys in the token. */
  readonly internalKeys: InternalKeys;
  /** CKA_IDs of the daemon's own keys, in hex. */
  readonly ownObjects: ReadonlySet<string>;
}
