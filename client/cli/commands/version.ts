// keyhold version and keyhold --version.
import type { Command } from 'commander';
import { ownVersion } from '../version.js';

/** Adds `keyhold version` and `--version`. @returns the command, which does not connect to the daemon */
export function addVersion(program: Command): Command {
  const { versions, platform, arch } = process;
  const line = `keyhold ${ownVersion()} (Node.js ${versions.node}, ${platform} ${arch})`;
  program.version(line, '--version', 'show the version');
  return program
    .command('version')
    .helpGroup('At a glance:')
    .description("Shows this program's version. 'keyhold status' shows the daemon's.")
    .action(() => void process.stdout.write(`${line}\n`));
}
