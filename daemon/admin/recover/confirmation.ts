// The programs of `keyhold recover` say what they will do and ask. No request can undo what they do, so in a pipe they are
// refused without --yes (docs/decisions/code/confirmations.md).
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { canAsk, isConfirmed } from '../../../proto/question.js';
import { readableAuditLine } from '../../../proto/audit-lines.js';
import type { OpenedRecords } from '../../app/opening/open-home.js';
import { listFiles, readLines } from '../../audit/lines.js';
import { homePaths } from '../../files/home.js';
import { UsageError } from '../program.js';

/** Adds `--yes`. */
export function addYesOption(command: Command): Command {
  return command.option('--yes', 'do not ask; needed where there is no terminal');
}

/** The answer was no, and nothing was changed. */
export class NotConfirmed extends Error {
  override readonly name = 'NotConfirmed';

  constructor() {
    super('Nothing was changed.');
  }
}

/**
 * Shows the home's records and its last event, says what will be done, and asks.
 * @param consequence what will be done, in sentences
 * @param isAgreed whether --yes was given: nothing is shown or asked
 * @throws NotConfirmed; UsageError if there is no terminal
 */
export async function confirm(
  home: string,
  { records }: OpenedRecords,
  consequence: string,
  isAgreed: boolean | undefined,
): Promise<void> {
  if (isAgreed) return;
  if (!canAsk())
    throw new UsageError(`this asks at a terminal, and here is none: --yes agrees to it. ${consequence}`);
  const count = (prefix: string) => [...records.keys(prefix)].length;
  const last = lastLine(homePaths(home).audit);
  process.stderr.write(
    [
      `Home ${home}: ${records.size} records, among them ${count('key/')} keys and ${count('access-key/')} access keys`,
      `  last event: ${last === undefined ? 'none' : readableAuditLine(last)}`,
      consequence,
      '',
    ].join('\n'),
  );
  if (!(await isConfirmed())) throw new NotConfirmed();
}

/** Returns the last complete line of the log. */
function lastLine(directory: string): string | undefined {
  const numbers = existsSync(directory) ? listFiles(directory) : [];
  let last: string | undefined;
  for (const { bytes, complete } of readLines(directory, numbers.slice(-2)))
    if (complete) last = bytes.toString();
  return last;
}
