// keyhold login-retry STORE: lets the daemon try a PIN again after the token refused one. An operator's act, since
// tokens lock after a few wrong PINs.
import { Command, CommanderError } from 'commander';
import { fileLatch } from '../hsm/pool/latch.js';
import { defaultStore } from '../hsm-connection.js';

const program = new Command('keyhold login-retry')
  .description(
    'Lets the daemon log in again to a key store whose token refused the PIN. Correct the PIN first.',
  )
  .argument(
    '<store>',
    `'${defaultStore}', which holds the daemon's own keys, or the ID of a custom key store`,
  )
  .exitOverride();

function main(): number {
  try {
    program.parse();
  } catch (error) {
    return error instanceof CommanderError && error.exitCode === 0 ? 0 : 2;
  }
  const home = process.env.KEYHOLD_HOME;
  const [store = ''] = program.args;
  const isStore =
    store === defaultStore || /^(cks-[0-9a-f]{17}|(cluster|doctor)-[A-Za-z0-9_-]+)$/.test(store);
  if (!home || !isStore) {
    console.error(
      `keyhold login-retry: ${home ? `there is no key store '${store}': it takes '${defaultStore}' or the ID of a custom key store` : 'KEYHOLD_HOME is not set'}.`,
    );
    return 2;
  }
  const latch = fileLatch(home, store);
  if (!latch.isSet()) {
    console.log(`The key store '${store}' is not latched: nothing to do.`);
    return 0;
  }
  latch.clear();
  console.log(
    `The daemon logs in to '${store}' again, once: a running one within seconds, else its next start.`,
  );
  return 0;
}

process.exitCode = main();
