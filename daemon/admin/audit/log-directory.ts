// The folder that the programs of the audit log read.
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { SignedIndexes } from '../../audit/query/file-index.js';
import type { QueriedLog } from '../../audit/query/query.js';
import { homeOf, UsageError } from '../program.js';
import { homePaths } from '../../files/home.js';
import { readPublicKey } from './public-key.js';

interface Options {
  readonly dir?: string;
  readonly archives?: string;
  readonly index?: boolean;
  readonly publicKey?: string;
}

/**
 * Returns the folder of the audit log: `--dir` if given, else that of the home.
 * @throws UsageError if neither a folder nor a home is given, or there is no such folder
 */
export function logDirectory(command: Command): string {
  const directory = command.opts<Options>().dir ?? homePaths(homeOf(command)).audit;
  if (!existsSync(directory))
    throw new UsageError(`there is no audit log in ${directory}: name the home with --home or KEYHOLD_HOME`);
  return directory;
}

/**
 * Returns the log that a query reads, with the indexes of the home's log unless `--no-index` is given.
 * @throws UsageError as {@link logDirectory}, or if the key of the indexes is not one
 */
export function queriedLog(command: Command): QueriedLog {
  const { dir, archives, index, publicKey } = command.opts<Options>();
  const indexes = dir === undefined && index !== false ? indexesOf(homeOf(command), publicKey) : undefined;
  return { directory: logDirectory(command), indexes, archives };
}

/** Without the public key no index counts, and everything is read. */
function indexesOf(home: string, publicKey: string | undefined): SignedIndexes | undefined {
  const { auditIndex: folder, auditPublicKey } = homePaths(home);
  if (publicKey === undefined && !existsSync(auditPublicKey)) return undefined;
  return { folder, publicKey: readPublicKey(publicKey ?? auditPublicKey) };
}
