// What every phase of a start is given.
import type { Config } from '../../config/schema.js';
import type { Logger } from '../../observability/log.js';
import type { Loaded } from '../reload.js';

/** The configuration of a start, and its log. */
export interface Settings {
  /** Absolute path. */
  readonly home: string;
  readonly config: Config;
  /** The configuration's limits, as far as the limit of open files allows. */
  readonly limits: Config['limits'];
  /** The files that the configuration names. */
  readonly loaded: Loaded;
  readonly log: Logger;
}
