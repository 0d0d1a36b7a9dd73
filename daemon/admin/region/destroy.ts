// Destroys keys of a link in the HSM, after `keyhold region unlink` deleted the link, or `rotate` replaced them. The user's PIN
// does it; it may be repeated.
import { Command, Option } from 'commander';
import { resolve } from 'node:path';
import { loadConfig } from '../../config/load.js';
import { destroyLink } from '../../hsm/link/index.js';
import { linkIdOf } from '../../regions/links/link-record.js';
import { addHomeOption, exitCodes, homeOf, runProgram, wholeNumber } from '../program.js';
import { withToken } from './token-work.js';

interface Options {
  readonly peerRegion: string;
  readonly before?: number;
}

const program = addHomeOption(new Command('keyhold region unlink'))
  .description("The part of 'keyhold region unlink' and 'rotate' that works on the HSM: start these instead.")
  .requiredOption('--peer-region <name>', 'the other Region')
  .addOption(new Option('--before <generation>', 'only generations before this one').argParser(wholeNumber));

await runProgram(program, async () => {
  const { peerRegion, before } = program.opts<Options>();
  const home = resolve(homeOf(program));
  const link = linkIdOf(loadConfig(home).region, peerRegion);
  const count = await withToken(home, ({ settings, user }) => destroyLink(settings, { link, before }, user));
  process.stderr.write(`The HSM destroyed ${count} objects of the link to ${peerRegion}.\n`);
  return exitCodes.done;
});
