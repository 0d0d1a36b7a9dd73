// The folder that the programs of the audit log read.
import type { Command } from 'commander';
import { homeOf } from '../program.js';
import { homePaths } from '../../files/home.js';

/**
 * Returns the folder of the audit log: `--dir` if given, else that of the home.
 * @throws UsageError if neither a folder nor a home is given
 */
export function logDirectory(command: Command): string {
  return command.opts<{ dir?: string }>().dir ?? homePaths(homeOf(command)).audit;
}
