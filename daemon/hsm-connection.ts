// From the configuration to a connected key store; shared by the daemon and by init.
import { loadProfile } from './config/load.js';
import { readPin } from './config/pin.js';
import type { Config } from './config/schema.js';
import type { KeyStore } from './hsm/key-store.js';
import { connect } from './hsm/pool/connect.js';
import { fileLatch } from './hsm/pool/latch.js';
import type { Logger } from './observability/log.js';

/** The name of the store that holds the daemon's own keys. */
export const defaultStore = 'default';

/**
 * Connects the default key store.
 * @param workers how many processes; the configuration's number if not given
 * @throws HsmError, ConfigError
 */
export function openKeyStore(home: string, config: Config, log: Logger, workers?: number): Promise<KeyStore> {
  const { hsm, limits } = config;
  const profile = loadProfile(hsm.profile, home);
  return connect({
    name: defaultStore,
    library: profile.library,
    token: { label: hsm.tokenLabel, serial: hsm.tokenSerial },
    env: profile.environment,
    workers: workers ?? hsm.workers,
    readPin: () => readPin(hsm.pin, home),
    latch: fileLatch(home, defaultStore),
    maxQueued: limits.queue,
    onEvent: (event) => {
      const isNews = event.type === 'state' || event.type === 'worker-ready';
      log[isNews ? 'debug' : 'error'](event, `key store ${defaultStore}: ${event.type}`);
    },
  });
}
