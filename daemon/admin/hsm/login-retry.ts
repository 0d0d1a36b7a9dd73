// keyhold login-retry STORE: lets the daemon try a PIN again after the token refused one. Only an operator may decide that,
// because tokens lock after a few wrong PINs.
import { Command } from 'commander';
import { fileLatch } from '../../hsm/pool/latch.js';
import { defaultStore } from '../../app/opening/open-key-store.js';
import { addHomeOption, exitCodes, homeOf, runProgram, UsageError } from '../program.js';

const program = addHomeOption(new Command('keyhold login-retry'))
  .description(
    'Lets the daemon log in again to a key store whose token refused the PIN. Correct the PIN first.',
  )
  .argument('<store>', `'${defaultStore}', which has the daemon's own keys, or the ID of a custom key store`);

function retry(): number {
  const home = homeOf(program);
  const [store = ''] = program.args;
  if (store !== defaultStore && !/^(cks-[0-9a-f]{17}|(cluster|doctor)-[A-Za-z0-9_-]+)$/.test(store))
    throw new UsageError(
      `there is no key store '${store}': name '${defaultStore}' or the ID of a custom key store.`,
    );
  const latch = fileLatch(home, store);
  if (!latch.isSet()) {
    console.log(`Logins to the key store '${store}' are not blocked: there is nothing to do.`);
    return exitCodes.done;
  }
  latch.clear();
  console.log(
    `The daemon will try to log in to '${store}' once more: within seconds if it is running, else at its next start.`,
  );
  return exitCodes.done;
}

await runProgram(program, retry);
