import type { Recorder } from '../journal/recorder.js';
import type { Keyring, KeyStores } from '../keys/index.js';
import type { Logger } from '../observability/log.js';
import type { Records } from '../store/records/records.js';
import type { Peers } from './peer.js';
import type { Replication } from './replication.js';

/** What the synchronizer works with. */
export interface SynchronizerParts {
  readonly peers: Peers;
  readonly keyring: Keyring;
  readonly records: Records;
  readonly stores: Pick<KeyStores, 'of'>;
  readonly recorder: Recorder;
  readonly replication: Replication;
  readonly log: Logger;
}
