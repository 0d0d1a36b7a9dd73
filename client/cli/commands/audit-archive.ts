// keyhold audit archive: has the daemon move old files of the audit log to another folder.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { whileWaiting } from '../../../proto/progress.js';
import { ConnectionError } from '../../errors.js';
import { UsageError } from '../input/values.js';
import { withClient } from '../session.js';

interface Options {
  readonly before: string;
  readonly to: string;
}

/** Time-out in milliseconds: the daemon compresses and verifies all files. */
const patience = 6 * 60 * 60_000;
const day = 24 * 60 * 60_000;

/** Adds `keyhold audit archive` to `keyhold audit`. */
export function addAuditArchive(program: Command): void {
  program.commands
    .find((command) => command.name() === 'audit')
    ?.command('archive')
    .description('Moves old files of the audit log, compressed, and records what went where.')
    .requiredOption('--before <time>', 'files whose records are all older: 2026-01-31, ISO 8601, or 90d ago')
    .requiredOption('--to <folder>', "a folder of the daemon's machine where the daemon may write")
    .action((options: Options) => archive(options));
}

async function archive({ before, to }: Options): Promise<void> {
  const request = { before: timeOf(before), directory: resolve(to) };
  const answered = withClient(async (client, signal) => {
    const { archives } = await whileWaiting(
      'archiving',
      client.archiveAuditLog(request, { signal, timeout: patience }),
    );
    for (const name of archives) console.log(`${request.directory}/${name}`);
    if (archives.length === 0)
      console.error('keyhold: no file of the log is old enough; the newest one stays');
  }, 'ArchiveAuditLog');
  await answered.catch((error: unknown) => {
    if (!(error instanceof ConnectionError) || error.code !== 'NotConnected') throw error;
    const reason =
      'Archiving needs a running daemon, which records the archived files in the audit log and has the HSM sign the record.';
    throw new ConnectionError(error.code, `${error.message} ${reason}`, { cause: error });
  });
}

/** Reads the value of --before. @returns epoch seconds @throws UsageError */
function timeOf(text: string): number {
  const days = /^([0-9]{1,5})d$/.exec(text)?.[1];
  if (days !== undefined) return (Date.now() - Number(days) * day) / 1000;
  const time = /^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(time))
    throw new UsageError(
      `--before is '${text}': it takes a date such as 2026-01-31, a time in ISO 8601, or 90d.`,
    );
  return time / 1000;
}
