// The first job of a worker.
import type { StartSettings, TokenListing } from '../start-settings.js';
import { bytes, json } from './fields.js';
import { defineJob } from './job.js';

/** Loads the module, logs in and finds the token's objects. */
export const start = defineJob<{ settings: StartSettings; pin: Buffer }, { listing: TokenListing | null }>({
  ...{ deadline: 60_000, cost: 100_000, repeatable: false, enumerates: true },
  // The PIN is UTF-8; it is empty with a protected authentication path.
  arguments: { settings: json(), pin: bytes },
  result: { listing: json() },
});
