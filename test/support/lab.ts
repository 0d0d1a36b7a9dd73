// A daemon with tokens for custom key stores.
import type { Test } from 'tap';
import type { Client } from '../../client/index.js';
import { addTokens, type LabOptions, type LabToken } from './custom-key-store.js';
import { TestDaemon } from './daemon.js';

export interface Lab {
  readonly daemon: TestDaemon;
  readonly client: Client;
  readonly tokens: LabToken[];
}

/**
 * Starts a daemon with some tokens in its configuration, and connects a client.
 * @param config further lines of the configuration
 * @param env environment of the daemon, computed once its home exists
 */
export async function beginLab(
  t: Test,
  options: readonly LabOptions[],
  config = '',
  env: (daemon: TestDaemon) => NodeJS.ProcessEnv = () => ({}),
): Promise<Lab> {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const tokens = addTokens(daemon, ...options);
  if (config) daemon.configure(config);
  await daemon.start(env(daemon));
  const client = await daemon.connect({ maxAttempts: 1, timeout: 90_000 });
  t.teardown(() => client.close());
  return { daemon, client, tokens };
}
