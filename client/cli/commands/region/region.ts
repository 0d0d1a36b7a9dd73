// keyhold region: links to other Regions.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { yesOption } from '../../confirmation.js';
import { addOutputOptions, type OutputOptions } from '../../output/output.js';
import { groupOf } from '../../programs.js';
import { type LinkOptions, linkRegion, rotateLink } from './link.js';
import { listLinks } from './list.js';
import { type UnlinkOptions, unlinkRegion } from './unlink.js';

/** Adds `keyhold region link`, `list`, `rotate` and `unlink`. */
export function addRegionCommands(program: Command): void {
  const group = groupOf(program, 'region');
  const link = group
    .command('link')
    .description(
      'Links this Region to another one, in a ceremony of the security officers of both HSMs: it runs on both sides at the same time.',
    )
    .action((options: LinkOptions) => linkRegion(options));
  const rotate = group
    .command('rotate')
    .description('Replaces the keys of a link, in the same ceremony. Keys that are shared already stay.')
    .action((options: LinkOptions) => rotateLink(options));
  for (const command of [link, rotate]) addCeremonyOptions(command);
  const list = group
    .command('list')
    .description('Lists the links to other Regions, and whether these Regions can be reached.')
    .action((options: OutputOptions) => listLinks(options));
  addOutputOptions(list);
  group
    .command('unlink')
    .description('Ends the link to another Region, and destroys its keys in this HSM.')
    .addOption(peerRegionOption())
    .option('--forget-keys', 'gives up the related keys there, for a Region that does not come back')
    .addOption(homeOption())
    .addOption(yesOption())
    .action((options: UnlinkOptions) => unlinkRegion(options));
}

function addCeremonyOptions(command: Command): void {
  command
    .addOption(peerRegionOption())
    .option('--exchange <dir>', 'the folder through which both sides exchange files', '.')
    .addOption(
      new Option(
        '--generation <number>',
        'the generation to make, the same on both sides; the next one if not given',
      ).argParser(generation),
    )
    .option(
      '--officer-pin-command <words...>',
      "what prints the PIN of the token's security officer; asked for at the terminal if not given",
    )
    .addOption(homeOption());
}

function peerRegionOption(): Option {
  return new Option(
    '--peer-region <name>',
    'the other Region, by its name in its keyhold.yaml',
  ).makeOptionMandatory();
}

function homeOption(): Option {
  return new Option('--home <dir>', "the daemon's home on this machine; KEYHOLD_HOME by default");
}

function generation(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text))
    throw new InvalidArgumentError('It must be a number from 1 to 999999.');
  return Number(text);
}
