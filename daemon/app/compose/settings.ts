// The settings that every phase of a start gets.
import type { Config } from '../../config/schema.js';
import type { Logger } from '../../observability/log.js';
import type { Loaded } from '../reload.js';

/** The configuration of a start, and its log. */
export interface Settings {
  /** Absolute path. */
  readonly home: string;
  readonly config: Config;
  /** The configuration's limits, reduced where the limit of open files requires it. */
  readonly limits: Config['limits'];
  /** The files that the configuration names. */
  readonly loaded: Loaded;
  readonly log: Logger;
}
