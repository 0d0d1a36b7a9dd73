// The folder that the programs of the audit log read.
import type { Command } from 'commander';
import type { QueriedLog } from '../../audit/query/query.js';
import { homeOf } from '../program.js';
import { homePaths } from '../../files/home.js';

interface Options {
  readonly dir?: string;
  readonly archives?: string;
  readonly index?: boolean;
}

/**
 * Returns the folder of the audit log: `--dir` if given, else that of the home.
 * @throws UsageError if neither a folder nor a home is given
 */
export function logDirectory(command: Command): string {
  return command.opts<Options>().dir ?? homePaths(homeOf(command)).audit;
}

/**
 * Returns the log that a query reads, with the indexes of the home's log unless `--no-index` is given.
 * @throws UsageError as {@link logDirectory}
 */
export function queriedLog(command: Command): QueriedLog {
  const { dir, archives, index } = command.opts<Options>();
  const indexes = dir === undefined && index !== false ? homePaths(homeOf(command)).auditIndex : undefined;
  return { directory: logDirectory(command), indexes, archives };
}
