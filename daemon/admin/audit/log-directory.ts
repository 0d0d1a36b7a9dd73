// Where the programs of the audit log read it.
import type { Command } from 'commander';
import { homeOf } from '../program.js';
import { homePaths } from '../../files/home.js';

/**
 * The folder of the audit log: `--dir` where the program has that option, else the one of the home.
 * @throws UsageError where neither a folder nor a home is given
 */
export function logDirectory(command: Command): string {
  return command.opts<{ dir?: string }>().dir ?? homePaths(homeOf(command)).audit;
}
