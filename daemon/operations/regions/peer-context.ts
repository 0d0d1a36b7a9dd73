import type { ServiceEvent } from '../../audit/event.js';
import type { Recorder } from '../../journal/recorder.js';
import type { Key } from '../../keys/index.js';
import type { Services } from '../../pipeline/operation.js';

/** What the handlers of other Regions' requests work with. */
export interface PeerContext {
  /** The Region that asks, which its certificate has proved. */
  readonly from: string;
  readonly services: Services;
  readonly recorder: Pick<Recorder, 'checkAvailable' | 'append' | 'commit'>;
  /** Makes an event about a key, caused by the other Region. */
  readonly event: (name: string, key: Key, details: object) => ServiceEvent;
}
